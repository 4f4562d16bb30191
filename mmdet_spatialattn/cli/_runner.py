"""What ``train`` and ``test`` share: their flags, the config, the process group, the Runner."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..errors import UserError, did_you_mean
from ._command import Parser

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def add_runner_flags(parser: Parser) -> None:
    """Add the flags of MMDetection's own tools that ``train`` and ``test`` have in common."""
    parser.add_argument(
        '--work-dir', metavar='DIR', help='where logs and results go (default: work_dirs/CONFIG)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change the config: train_cfg.max_epochs=3; lists as KEY="[a,b]" or KEY=a,b',
    )
    parser.add_argument(
        '--launcher', choices=LAUNCHERS, default='none', help='who started the processes'
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def load_config(args: argparse.Namespace) -> 'Config':
    """Read the config that the arguments name and change it as they ask.

    Raises:
        UserError: The file is absent or cannot be read as a config, or an option does not fit it.
    """
    from mmengine.config import Config

    if not Path(args.config).is_file():
        raise UserError(f'config {args.config} does not exist')
    try:
        config = Config.fromfile(args.config)
    except (SyntaxError, NameError, KeyError, AttributeError, OSError, ImportError) as error:
        raise UserError(f'config {args.config}: {_one_line(error)}') from error
    config.launcher = args.launcher
    root = config.get('data_root')
    _merge(config, args.cfg_options)
    move_data_root(config, root)
    if args.work_dir:
        config.work_dir = args.work_dir
    elif not config.get('work_dir'):
        config.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return config


def move_data_root(config: 'Config', old: Optional[str]) -> None:
    """Carry the config's ``data_root`` into every path that lies below the ``old`` one.

    A config writes its root into each data set and evaluator when it is read; this makes
    ``--cfg-options data_root=DIR`` enough.
    """
    new = config.get('data_root')
    if not old or not new or old == new:
        return
    old, new = old.rstrip('/'), new.rstrip('/')

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            value.update({key: moved(item) for key, item in value.items()})
        elif isinstance(value, (list, tuple)):
            return type(value)(moved(item) for item in value)
        elif isinstance(value, str) and (value == old or value.startswith(f'{old}/')):
            return new + value[len(old) :]
        return value

    moved(config._cfg_dict)


def build_runner(config: 'Config') -> 'Runner':
    """Build the Runner that the config describes, in the process group of its launcher."""
    from mmdet.registry import RUNNERS
    from mmdet.utils import setup_cache_size_limit_of_dynamo
    from mmengine.runner import Runner

    setup_cache_size_limit_of_dynamo()
    join_processes(config.launcher)
    return RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)


def join_processes(launcher: str, local_rank: int = 0) -> None:
    """Join the process group on a machine without GPU; elsewhere leave it to MMEngine.

    MMEngine selects a CUDA device for every launcher, and fails where there is none.

    Raises:
        UserError: The launcher's environment variables are not set.
    """
    import torch

    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    if launcher == 'none' or torch.cuda.is_available():
        return
    own = {
        'pytorch': {},
        'slurm': {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS'},
        'mpi': {'RANK': 'OMPI_COMM_WORLD_RANK', 'WORLD_SIZE': 'OMPI_COMM_WORLD_SIZE'},
    }
    for name, source in own[launcher].items():
        if source in os.environ:
            os.environ[name] = os.environ[source]
    os.environ.setdefault('MASTER_PORT', '29500')
    missing = [n for n in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR') if n not in os.environ]
    if missing:
        raise UserError(
            f'--launcher {launcher}: {", ".join(missing)} not set in the environment; '
            'start the processes with torchrun, srun or mpirun, or leave --launcher out'
        )
    torch.distributed.init_process_group('gloo')


def _merge(config: 'Config', options: list[str]) -> None:
    from mmengine.config import DictAction

    changes = argparse.Namespace(options=None)
    action = DictAction('--cfg-options', 'options')
    for option in options:
        key, equals, _ = option.partition('=')
        if not equals or not key:
            raise UserError(f"--cfg-options: expected KEY=VALUE, got '{option}'")
        _check_key(config, key)
        try:
            action(None, changes, [option])
            config.merge_from_dict(changes.options)
        except (AssertionError, KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(
                f"--cfg-options: '{option}' does not fit: {_one_line(error)}"
            ) from error


def _check_key(config: 'Config', key: str) -> None:
    """Refuse a misspelt first name, which would silently add a key that nothing reads."""
    import inspect

    from mmengine.runner import Runner

    known = [*config.keys(), *inspect.signature(Runner).parameters]
    first = key.split('.')[0]
    nearest = did_you_mean(first, known)
    if first not in known and nearest:
        raise UserError(f"--cfg-options: the config has no '{first}'{nearest}")


def _one_line(error: BaseException) -> str:
    text = str(error.args[0]) if error.args else ''
    text = ' '.join(text.split()) or str(error)
    return f'{type(error).__name__}: {text}'
