"""What ``train`` and ``test`` share: their flags, the config, the process group, the Runner."""

import argparse
import contextlib
import inspect
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..errors import MissingFile, UserError, did_you_mean
from ..io import PathLike
from ._command import Parser

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

PROCESS_VARIABLES: dict[str, dict[str, str]] = {
    'none': {},
    'pytorch': {},
    'slurm': {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS', 'LOCAL_RANK': 'SLURM_LOCALID'},
    'mpi': {
        'RANK': 'OMPI_COMM_WORLD_RANK',
        'WORLD_SIZE': 'OMPI_COMM_WORLD_SIZE',
        'LOCAL_RANK': 'OMPI_COMM_WORLD_LOCAL_RANK',
    },
}
"""By launcher, the variables that say what torch reads under other names."""


def add_runner_flags(parser: Parser) -> None:
    """Add the flags of MMDetection's own tools that ``train`` and ``test`` have in common."""
    parser.add_argument(
        '--work-dir', metavar='DIR', help='where logs and results go (default: work_dirs/CONFIG)'
    )
    add_config_options(parser)
    parser.add_argument(
        '--launcher', choices=[*PROCESS_VARIABLES], default='none', help='who started the processes'
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_config_options(parser: Parser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change the config: train_cfg.max_epochs=3; lists as KEY="[a,b]" or KEY=a,b',
    )


def load_config(args: argparse.Namespace, needed: tuple[str, ...]) -> 'Config':
    """Read the config that the arguments name and change it as they ask.

    Args:
        args: The parsed arguments of a command with :func:`add_runner_flags`.
        needed: Keys without which the command cannot run.

    Raises:
        UserError: The file is absent, cannot be read as a config or lacks a key, or an option does
            not fit it.
    """
    from ..datasets.root import move_data_root

    config = read_config(args.config)
    for key in needed:
        if not config.get(key):
            raise UserError(
                f"config {args.config} has no '{key}'; inherit from a config of MMDetection that "
                "has one: _base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'"
            )
    config.launcher = args.launcher
    root = config.get('data_root')
    config.merge_from_dict(checked_options(config, args.cfg_options))
    move_data_root(config, root)
    if args.work_dir:
        config.work_dir = args.work_dir
    elif not config.get('work_dir'):
        config.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return config


@contextlib.contextmanager
def running(config: 'Config', local_rank: int) -> Iterator['Runner']:
    """Give the Runner that the config describes, in the process group of its launcher."""
    import torch
    from mmdet.registry import RUNNERS
    from mmdet.utils import setup_cache_size_limit_of_dynamo
    from mmengine.runner import Runner

    setup_cache_size_limit_of_dynamo()
    _join_processes(config, local_rank)
    yield RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _join_processes(config: 'Config', local_rank: int) -> None:
    """Join the process group on a machine without GPU; elsewhere leave it to MMEngine.

    MMEngine selects a CUDA device for every launcher, and fails where there is none.

    Raises:
        UserError: The launcher's environment variables are not set.
    """
    import torch

    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    if config.launcher == 'none' or torch.cuda.is_available():
        return
    for name, source in PROCESS_VARIABLES[config.launcher].items():
        if source in os.environ:
            os.environ[name] = os.environ[source]
    os.environ.setdefault('MASTER_PORT', '29500')
    missing = [n for n in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR') if n not in os.environ]
    if missing:
        raise UserError(
            f'--launcher {config.launcher}: {", ".join(missing)} not set in the environment; '
            'start the processes with torchrun, srun or mpirun, or leave --launcher out'
        )
    torch.distributed.init_process_group('gloo')
    wrapper = config.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=config.get('find_unused_parameters', False),
    )
    # Without a value, MMEngine names a CUDA device.
    config.model_wrapper_cfg = {'device_ids': None, **wrapper}


def read_config(path: PathLike) -> 'Config':
    """Read a config file.

    Raises:
        UserError: It is absent, or has a mistake.
    """
    from mmengine.config import Config

    if not Path(path).is_file():
        raise MissingFile(f'config {path} does not exist')
    try:
        return Config.fromfile(path)
    except Exception as error:
        mistake = _config_mistake(error)
        if mistake is None:
            raise
        raise UserError(f'config {path}: {mistake}') from error


def checked_options(config: 'Config', options: list[str]) -> dict[str, Any]:
    """Return what ``--cfg-options`` says, dotted key to value.

    Raises:
        UserError: An option cannot be read or does not fit the config.
    """
    from mmengine.config import DictAction

    found = {}
    for option in options:
        key, equals, text = option.partition('=')
        if not equals or not key:
            raise UserError(f"--cfg-options: expected KEY=VALUE, got '{option}'")
        try:
            value = DictAction._parse_iterable(text)
        except AssertionError as error:
            raise UserError(f'--cfg-options {option}: brackets do not match') from error
        old = _current(config, key)
        if isinstance(old, (bool, int, float)) and isinstance(value, str):
            expected = 'True or False' if isinstance(old, bool) else 'a number'
            raise UserError(f"--cfg-options {option}: expected {expected}, got '{value}'")
        found[key] = value
    return found


def _current(config: 'Config', key: str) -> Any:
    """Return the value that an option will replace, ``None`` for a new one.

    Raises:
        UserError: The option leads nowhere, or its first name is a misspelt one, which would
            silently add a key that nothing reads.
    """
    from mmengine.runner import Runner

    first = key.split('.')[0]
    known = [*config.keys(), *inspect.signature(Runner).parameters]
    nearest = did_you_mean(first, known)
    if first not in known and nearest:
        raise UserError(f"--cfg-options {key}: the config has no '{first}'{nearest}")
    value: Any = config
    path = ''
    for name in key.split('.'):
        if isinstance(value, (list, tuple)):
            if not name.isdigit() or int(name) >= len(value):
                raise UserError(
                    f"--cfg-options {key}: '{path[1:]}' is a list of {len(value)}, "
                    f"so a number from 0 to {len(value) - 1} must follow, not '{name}'"
                )
            value = value[int(name)]
        elif value is None or hasattr(value, 'get'):
            value = value.get(name) if value is not None else None
        else:
            raise UserError(
                f"--cfg-options {key}: '{path[1:]}' is {value!r}, so there is no '{name}' in it"
            )
        path += f'.{name}'
    return value


def _config_mistake(error: Exception) -> Optional[str]:
    """Say what is wrong in a config file; ``None`` when the error comes from other code."""
    if isinstance(error, SyntaxError):
        return f'syntax error in line {error.lineno}: {error.msg}'
    if isinstance(error, OSError):
        return f'{error.strerror}: {error.filename}' if error.filename else str(error)
    if isinstance(error, ImportError):
        cause: BaseException = error
        while cause.__context__:
            cause = cause.__context__
        return f'custom_imports: {cause}'
    for frame, line in traceback.walk_tb(error.__traceback__):
        place = (frame.f_code.co_filename, line)
    if '_base_' in frame.f_globals:  # the namespace in which MMEngine runs a config file
        return f'{place[0]}, line {place[1]}: {type(error).__name__}: {error}'
    return None
