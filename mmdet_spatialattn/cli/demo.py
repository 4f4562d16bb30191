"""Does attention help in clutter? Train detectors with and without it, and read the verdict.

    spatialattn demo
    spatialattn demo --full --jobs 4 --device cuda

Generates the clutter digits, trains a narrow RetinaNet without attention, with CBAM in its backbone
and with CBAM in its neck, each from two seeds, and compares them in clutter: a table here, and the
page report.html. Nothing is downloaded. What is interrupted goes on when the same command is given
again.
"""

from dataclasses import replace
from pathlib import Path
from typing import Optional

from ..errors import UserError
from ..io import differences, read_json, write_json
from ..processors import count_processors
from ._command import Parser, command, maybe_write_json, progress
from .sweep import add_sweep_flags, sweep

PLANS = Path(__file__).parents[2] / 'configs' / 'experiments'
FULL_SEEDS = (0, 1, 2, 3, 4)


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('demo', __doc__)
    parser.add_argument(
        '--work-dir',
        default='work_dirs/demo',
        metavar='DIR',
        help='where everything goes (default work_dirs/demo)',
    )
    parser.add_argument(
        '--images', type=int, default=1000, metavar='N', help='scenes (default 1000)'
    )
    parser.add_argument('--epochs', type=int, metavar='N', help="default: the plan's")
    parser.add_argument(
        '--full',
        action='store_true',
        help='all arms of configs/experiments/clutter_digits.py, five seeds each',
    )
    add_sweep_flags(parser)
    parser.set_defaults(jobs=count_processors())
    parser.add_json()
    args = parser.parse_args(argv)
    if args.epochs is not None and args.epochs < 1:
        raise UserError(f'epochs must be at least 1, got {args.epochs}')
    if not PLANS.is_dir():
        raise UserError(f'{PLANS} does not exist: the demo runs from a clone of the repository')

    from ..datasets.scenes import check_scenes, write_scenes
    from ..experiments.plan import load_plan

    check_scenes(args.images)
    folder = Path(args.work_dir).resolve()
    _claim(folder, {'images': args.images, 'epochs': args.epochs, 'full': args.full})
    write_scenes(folder / 'scenes', args.images, progress=progress('scenes'))
    plan = load_plan(PLANS / ('clutter_digits.py' if args.full else 'demo.py'))
    overrides = {'data_root': str(folder / 'scenes'), 'default_hooks.logger.interval': 10}
    if args.epochs is not None:
        overrides['train_cfg.max_epochs'] = args.epochs
    plan = replace(plan, overrides={**plan.overrides, **overrides})
    if args.full:
        plan = replace(plan, seeds=FULL_SEEDS)
    verdict = sweep(plan, folder / 'runs', args.jobs, args.device)
    maybe_write_json(args.json, verdict)
    return 0


def _claim(folder: Path, parameters: dict) -> None:
    """Take the folder for a demo with these parameters, or go on with that demo."""
    manifest = folder / 'demo.json'
    if manifest.is_file():
        differing = differences(read_json(manifest), parameters)
        if differing:
            raise UserError(
                f'{folder} holds another demo ({differing}): give another --work-dir, or delete it'
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f'{folder} holds something else: give another --work-dir')
    write_json(manifest, parameters)
