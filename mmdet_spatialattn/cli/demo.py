"""Does attention help in clutter? Train detectors with and without it, and compare them.

    spatialattn demo
    spatialattn demo --full --jobs 4 --device cuda

Generates the clutter digits and trains a narrow RetinaNet once. Then it inserts CBAM, or a control
with as many parameters and no attention, fine-tunes each three times from there, and compares them
in clutter: a table here, and the page report.html. Nothing is downloaded. An interrupted demo is
resumed by the same command.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..errors import UserError
from ..io import differences, is_empty_folder, read_json, write_json
from ..processors import count_processors
from ._command import Parser, command, maybe_write_json
from ._sweep import add_sweep_flags, print_result

if TYPE_CHECKING:
    from ..experiments import Plan

PLANS = 'mmdet_spatialattn::experiments'
IMAGES, FULL_IMAGES = 2400, 6000
"""Numbers of scenes that the plans of the demo and of ``--full`` are made for."""

ANNOUNCEMENT = """\
Generates {images:,} scenes of digits, trains a detector on them, and fine-tunes
it with and without attention, into {folder}.{effort}
Nothing is downloaded; after Ctrl-C the same command continues.
"""
EFFORT = '\nTakes about ten minutes on two cores, and 0.7 GB on disk.'
"""Of the demo as it is by default."""


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
        '--images', type=int, metavar='N', help='number of scenes (default 2400; 6000 with --full)'
    )
    parser.add_argument(
        '--epochs', type=int, metavar='N', help="of the first training (default: the plan's)"
    )
    parser.add_argument(
        '--full',
        action='store_true',
        help='all arms and seeds of configs/experiments/clutter_digits.py',
    )
    add_sweep_flags(parser)
    parser.set_defaults(jobs=count_processors())
    parser.add_json()
    args = parser.parse_args(argv)
    if args.epochs is not None and args.epochs < 1:
        raise UserError(f'epochs must be at least 1, got {args.epochs}')

    from ..compat.doctor import require_host

    require_host()

    from ..datasets.scenes import check_scenes, write_scenes
    from ..experiments import load_plan, run_sweep
    from ._progress_display import ProgressDisplay

    usual = FULL_IMAGES if args.full else IMAGES
    images = usual if args.images is None else args.images
    check_scenes(images)
    folder = Path(args.work_dir).resolve()
    _claim(folder, {'images': images, 'epochs': args.epochs, 'full': args.full})
    usual_size = images == usual and args.epochs is None and not args.full
    effort = EFFORT if usual_size else ''
    print(ANNOUNCEMENT.format(images=images, folder=args.work_dir, effort=effort), flush=True)
    display = ProgressDisplay()
    write_scenes(folder / 'scenes', images=images, mixed=True, progress=display.steps('scenes'))
    plan = load_plan(f'{PLANS}/{"clutter_digits" if args.full else "demo"}.py')
    overrides = {'data_root': str(folder / 'scenes'), 'default_hooks.logger.interval': 10}
    plan = _scaled(replace(plan, overrides={**plan.overrides, **overrides}), images / usual)
    if args.epochs is not None and plan.start is not None:
        plan = replace(plan, start=replace(plan.start, epochs=args.epochs))
    runs = folder / 'runs'
    result = run_sweep(plan, runs, jobs=args.jobs, device=args.device, progress=display)
    print_result(result, runs)
    maybe_write_json(args.json, result.to_dict())
    return int(bool(result.failed))


def _scaled(plan: 'Plan', share: float) -> 'Plan':
    """Return a plan for another number of scenes: each training sees the same share of them."""

    def scaled(overrides: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: round(value * share) if key.endswith('.indices') else value
            for key, value in overrides.items()
        }

    assert plan.start is not None
    return replace(
        plan,
        start=replace(plan.start, overrides=scaled(plan.start.overrides)),
        fine_tuning=scaled(plan.fine_tuning),
        arms=tuple(replace(arm, overrides=scaled(arm.overrides)) for arm in plan.arms),
    )


def _claim(folder: Path, parameters: dict) -> None:
    """Write the parameters of a new demo into the folder, or check those of the demo it holds."""
    manifest = folder / 'demo.json'
    if manifest.is_file():
        changes = differences(read_json(manifest), parameters)
        if changes:
            raise UserError(f'{folder} holds another demo ({changes}): give another --work-dir')
    elif folder.exists() and not is_empty_folder(folder):
        raise UserError(f'{folder} holds other files: give another --work-dir')
    else:
        write_json(manifest, parameters)
