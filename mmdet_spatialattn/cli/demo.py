"""Does attention help in clutter? Train detectors with and without it, and compare them.

    spatialattn demo
    spatialattn demo --full --jobs 4 --device cuda

Generates the clutter digits, trains a narrow RetinaNet without attention, with CBAM in its backbone
and with CBAM in its neck, each with two seeds, and compares them in clutter: a table here, and the
page report.html. Nothing is downloaded. An interrupted demo is resumed by the same command.
"""

from dataclasses import replace
from pathlib import Path
from typing import Optional

from ..errors import UserError
from ..io import differences, is_empty_folder, read_json, write_json
from ..processors import count_processors
from ._command import Parser, command, maybe_write_json
from ._sweep import add_sweep_flags, print_result

PLANS = Path(__file__).parents[2] / 'configs' / 'experiments'
FULL_SEEDS = (0, 1, 2, 3, 4)


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('demo', __doc__)
    parser.add_argument(
        '--work-dir',
        default='work_dirs/demo',
        metavar='DIR',
        help='folder of the demo (default work_dirs/demo)',
    )
    parser.add_argument(
        '--images', type=int, default=1000, metavar='N', help='number of scenes (default 1000)'
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

    from ..compat.doctor import require_host

    require_host()

    from ..datasets.scenes import check_scenes, write_scenes
    from ..experiments import load_plan, run_sweep
    from ._progress_display import ProgressDisplay

    check_scenes(args.images)
    folder = Path(args.work_dir).resolve()
    _claim(folder, {'images': args.images, 'epochs': args.epochs, 'full': args.full})
    display = ProgressDisplay()
    write_scenes(folder / 'scenes', images=args.images, progress=display.steps('scenes'))
    plan = load_plan(PLANS / ('clutter_digits.py' if args.full else 'demo.py'))
    overrides = {'data_root': str(folder / 'scenes'), 'default_hooks.logger.interval': 10}
    if args.epochs is not None:
        overrides['train_cfg.max_epochs'] = args.epochs
    plan = replace(plan, overrides={**plan.overrides, **overrides})
    if args.full:
        plan = replace(plan, seeds=FULL_SEEDS)
    runs = folder / 'runs'
    result = run_sweep(plan, runs, jobs=args.jobs, device=args.device, progress=display)
    print_result(result, runs)
    maybe_write_json(args.json, result.to_dict())
    return int(bool(result.failed))


def _claim(folder: Path, parameters: dict) -> None:
    """Write the parameters of a new demo into the folder, or check those of the demo it holds."""
    manifest = folder / 'demo.json'
    if manifest.is_file():
        changes = differences(read_json(manifest), parameters)
        if changes:
            raise UserError(
                f'{folder} holds another demo ({changes}): give another --work-dir, or delete it'
            )
    elif folder.exists() and not is_empty_folder(folder):
        raise UserError(f'{folder} holds other files: give another --work-dir')
    else:
        write_json(manifest, parameters)
