"""Train a detector: MMDetection's own tool, checked before it begins.

    spatialattn train configs/clutter_digits/retinanet_r18_baseline.py
    spatialattn train CONFIG --work-dir out --cfg-options train_cfg.max_epochs=3
    spatialattn train CONFIG --work-dir out --resume
    torchrun --nproc-per-node 2 tools/train.py CONFIG --launcher pytorch

The flags are those of MMDetection's tools/train.py. Without a CUDA device it trains on the CPU,
with as many threads as OMP_NUM_THREADS says.
"""

from typing import TYPE_CHECKING, Optional

from ..errors import UserError
from ._command import Parser, command
from ._runner import add_runner_flags, build_runner, load_config

if TYPE_CHECKING:
    from mmengine.config import Config


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
        help='go on from CHECKPOINT, or from the last one in the work directory',
    )
    args = parser.parse_args(argv)
    config = load_config(args)
    if args.amp:
        _use_amp(config)
    if args.auto_scale_lr:
        _scale_learning_rate(config)
    if args.resume:
        config.resume = True
        config.load_from = _checkpoint_to_resume(args.resume, config.work_dir)
    build_runner(config).train()
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


def _checkpoint_to_resume(given: str, work_dir: str) -> str:
    from pathlib import Path

    if given != 'auto':
        return given
    note = Path(work_dir, 'last_checkpoint')
    last = note.read_text(encoding='utf-8').strip() if note.is_file() else ''
    if not last:
        raise UserError(
            f'--resume: no checkpoint in {work_dir}; leave --resume out to start from the '
            'beginning, or give the folder of the earlier run with --work-dir'
        )
    return last
