"""Train a detector as MMDetection's own tool does, after checks of config and data.

    spatialattn train configs/clutter_digits/retinanet_r18-narrow_fpn_4e_clutter-digits.py
    spatialattn train CONFIG --work-dir out --cfg-options train_cfg.max_epochs=3
    spatialattn train CONFIG --work-dir out --resume
    torchrun --nproc-per-node 2 tools/train.py CONFIG --launcher pytorch

The flags are those of MMDetection's tools/train.py. Without a CUDA device it trains on the CPU;
OMP_NUM_THREADS sets the number of threads.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ..errors import UserError
from ._command import Parser, command, print_next
from ._runner import add_runner_flags, load_config, running

if TYPE_CHECKING:
    from mmengine.config import Config

NEEDED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
TEST_NEEDED = ('test_dataloader', 'test_cfg', 'test_evaluator')


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('train', __doc__)
    parser.add_argument('config', help='config file')
    add_runner_flags(parser)
    parser.add_argument('--amp', action='store_true', help='mixed precision; needs a CUDA device')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by batch size over auto_scale_lr.base_batch_size',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from CHECKPOINT, or from the last one in the work directory',
    )
    parser.add_argument(
        '--test', action='store_true', help='test the detector on the test set afterwards'
    )
    args = parser.parse_args(argv)

    from ..compat.doctor import require_host
    from ..experiments.checks import (
        build_checked_model,
        check_checkpoint,
        check_data,
        check_work_dir,
    )
    from ..experiments.pretrained import check_pretrained

    require_host()
    config = load_config(args, (*NEEDED, *TEST_NEEDED) if args.test else NEEDED)
    if args.amp:
        _use_amp(config)
    if args.auto_scale_lr:
        _scale_learning_rate(config)
    if args.resume:
        config.resume = True
        config.load_from = args.resume
        if args.resume == 'auto':
            config.load_from = _last_checkpoint(config.work_dir)
    check_work_dir(config.work_dir)
    loaders = ('train_dataloader', 'val_dataloader')
    check_data(config, *loaders, *(('test_dataloader',) if args.test else ()))
    model = build_checked_model(config)
    for note in check_pretrained(config):
        print(note)
    if config.get('load_from'):
        check_checkpoint(model, config.load_from, 'resume' if config.get('resume') else 'start')
    del model
    with running(config, args.local_rank) as runner:
        runner.train()
        if args.test:
            runner.test()
    print_next(f'spatialattn test CONFIG CHECKPOINT, with a checkpoint in {config.work_dir}')
    return 0


def _use_amp(config: 'Config') -> None:
    import torch

    if not torch.cuda.is_available():
        raise UserError('--amp needs a CUDA device, and there is none; leave it out')
    config.optim_wrapper.type = 'AmpOptimWrapper'
    config.optim_wrapper.loss_scale = 'dynamic'


def _scale_learning_rate(config: 'Config') -> None:
    if 'base_batch_size' not in config.get('auto_scale_lr', {}):
        raise UserError('--auto-scale-lr: the config does not set auto_scale_lr.base_batch_size')
    config.auto_scale_lr.enable = True


def _last_checkpoint(work_dir: str) -> str:
    from ..experiments.checkpoints import resumable_checkpoint

    passed_by: list[str] = []
    checkpoint = resumable_checkpoint(Path(work_dir), passed_by.append)
    if checkpoint is not None:
        for note in passed_by:
            print(f'spatialattn train: {note}', file=sys.stderr)
        return str(checkpoint)
    reasons = f' ({"; ".join(passed_by)})' if passed_by else ''
    raise UserError(
        f'--resume: there is no checkpoint in {work_dir} to go on from{reasons}; leave --resume '
        'out to start from the beginning, or give the folder of the earlier run with --work-dir'
    )
