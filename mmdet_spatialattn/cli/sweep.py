"""Train and test the arms of a plan, several seeds each, and compare them in clutter.

    spatialattn sweep PLAN --dry-run
    spatialattn sweep PLAN --jobs 2
    spatialattn sweep PLAN --until-clear --max-seeds 12 --delta 0.5
    spatialattn sweep configs/experiments/bccd.py --cfg-options data_root=DIR

A plan is a Python or YAML file with arms (configs), a baseline and seeds: see configs/experiments.
Every arm is trained once per seed into WORK_DIR/ARM/seed_K; verdict.json, the page report.html and
report.md follow. Finished runs are not repeated, and interrupted ones are resumed from their last
checkpoint: after Ctrl-C or a crash give the same command again, and it ends as if undisturbed. A
run that fails is reported and does not stop the others, unless the first two fail alike. The
folder may be moved, and run folders of other seeds may be copied into it.

Detectors with masks are compared by their masks, and by their boxes beside them, which have a page
of their own, report.boxes.html.

With --until-clear every arm gets 3 seeds first, then 5, 8 and 12, and stops as soon as it is
better, worse, equivalent (within DELTA points of AP), or unlikely to be settled. The verdicts
account for these looks.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..errors import error_prefix
from ._command import Parser, command, maybe_write_json, print_next
from ._runner import add_config_options
from ._sweep import add_sweep_flags, print_result

if TYPE_CHECKING:
    from ..experiments import Plan


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('sweep', __doc__)
    parser.add_argument('plan', metavar='PLAN', help='the plan: .py, .yaml or .json')
    parser.add_argument(
        '--work-dir', metavar='DIR', help='folder of the sweep (default: work_dirs/NAME_OF_PLAN)'
    )
    add_config_options(parser)
    add_sweep_flags(parser)
    parser.add_argument(
        '--until-clear', action='store_true', help='add seeds until every arm is settled'
    )
    parser.add_argument(
        '--max-seeds',
        type=int,
        metavar='N',
        help='with --until-clear: number of seeds at the last look (default 12)',
    )
    parser.add_argument(
        '--delta',
        type=float,
        metavar='POINTS',
        help='with --until-clear: effects below so many points of AP count as none (default: the '
        "plan's, or 0.5)",
    )
    parser.add_argument(
        '--launcher',
        default='local',
        metavar='local|slurm|ray',
        help='where the runs are executed (default: local, on this machine)',
    )
    parser.add_argument(
        '--launcher-options',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=VALUE',
        help='of slurm: slurm_partition=gpu timeout_min=240 cpus_per_task=8 gpus_per_node=1; of '
        'ray: address=auto num_cpus=2 num_gpus=1',
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        '--dry-run', action='store_true', help='print the runs and how long they will take'
    )
    mode.add_argument(
        '--collect', action='store_true', help='train nothing; compare the runs that are finished'
    )
    parser.add_argument(
        '--metafile', metavar='FILE', help="write the results into a folder's metafile.yml"
    )
    parser.add_json()
    args = parser.parse_args(argv)

    if not args.until_clear and (args.max_seeds is not None or args.delta is not None):
        parser.error('--max-seeds and --delta need --until-clear')

    from ..compat.doctor import require_host

    require_host()

    from ..experiments import (
        collect_sweep,
        dry_run,
        load_plan,
        run_sweep,
        until_clear,
        write_metafile,
    )
    from ..experiments.launch import LOCAL
    from ..experiments.launchers import Launcher, make_launcher
    from ..experiments.plan import LOOKS
    from ._progress_display import ProgressDisplay

    plan = _with_options(load_plan(args.plan), args.cfg_options)
    if args.until_clear:
        plan = until_clear(plan, max_seeds=args.max_seeds or LOOKS[-1], delta=args.delta)
    folder = Path(args.work_dir or Path('work_dirs', plan.name)).resolve()
    options: dict[str, Any] = {'device': args.device, 'progress': ProgressDisplay()}
    if args.dry_run:
        forecast = dry_run(plan, folder, jobs=args.jobs, **options)
        print(forecast)
        maybe_write_json(args.json, forecast.to_dict())
        print_next('the same command without --dry-run')
        return 0
    if args.collect:
        result = collect_sweep(plan, folder, **options)
    else:
        launcher: Launcher = LOCAL
        if args.launcher != 'local' or args.launcher_options:
            launcher = make_launcher(args.launcher, args.launcher_options)
        result = run_sweep(plan, folder, jobs=args.jobs, launcher=launcher, **options)
    if args.metafile:
        write_metafile(args.metafile, result)
        print(f'{args.metafile}: written')
    maybe_write_json(args.json, result.to_dict())
    print_result(result, folder)
    return int(bool(result.failed) and not args.collect)


def _with_options(plan: 'Plan', options: list[str]) -> 'Plan':
    """Return the plan with the changes of ``--cfg-options``, which must fit every arm."""
    from dataclasses import replace

    from ..experiments.config import checked_options, read_config

    changes: dict[str, Any] = {}
    for arm in plan.arms:
        with error_prefix(f"arm '{arm.name}'"):
            changes = checked_options(read_config(arm.config), options)
    return replace(plan, overrides={**plan.overrides, **changes})
