"""Flags, config, process group and Runner of ``train`` and ``test``."""

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
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
"""By launcher, its variables that hold what torch reads under other names."""


def add_runner_flags(parser: Parser) -> None:
    """Add the flags of MMDetection's own tools that ``train`` and ``test`` have in common."""
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder of logs and results (default: work_dirs/CONFIG)',
    )
    add_config_options(parser)
    parser.add_argument(
        '--launcher',
        choices=[*PROCESS_VARIABLES],
        default='none',
        help='launcher that started the processes',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_config_options(parser: Parser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=VALUE',
        help='change the config: train_cfg.max_epochs=3; lists as KEY="[a,b]" or KEY=a,b',
    )


def load_config(args: argparse.Namespace, needed: tuple[str, ...]) -> 'Config':
    """Read the config that the arguments name, and apply their changes.

    Args:
        args: The parsed arguments of a command with :func:`add_runner_flags`.
        needed: Keys without which the command cannot run.

    Raises:
        MissingFile: The file does not exist.
        UserError: It cannot be read as a config or lacks a key, or an option does not fit it.
    """
    from ..datasets.root import move_data_root
    from ..experiments.config import checked_options, merge, read_config

    config = read_config(args.config)
    for key in needed:
        if not config.get(key):
            raise UserError(
                f"config {args.config} has no '{key}'; inherit from a config of MMDetection that "
                "has one: _base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'"
            )
    config.launcher = args.launcher
    root = config.get('data_root')
    merge(config, checked_options(config, args.cfg_options))
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

    from ..compat.quiet import is_useful

    setup_cache_size_limit_of_dynamo()
    _join_processes(config, local_rank)
    runner = RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)
    runner.logger.addFilter(is_useful)
    yield runner
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _join_processes(config: 'Config', local_rank: int) -> None:
    """Join the process group on a machine without a GPU; elsewhere MMEngine does it.

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
