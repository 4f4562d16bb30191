"""Train and test the arms of a plan, several seeds each, and say whether they help in clutter.

    spatialattn sweep PLAN --dry-run
    spatialattn sweep PLAN --jobs 2
    spatialattn sweep configs/experiments/bccd.py --cfg-options data_root=DIR

A plan is a Python or YAML file with arms (configs), a baseline and seeds: see
configs/experiments. Every arm is trained once per seed into WORK_DIR/ARM/seed_K; then follow
verdict.json, the page report.html, and report.md. Finished runs are not repeated, interrupted ones
go on from their last checkpoint: after Ctrl-C or a crash give the same command again, and it ends
as if nothing had happened. A run that fails is reported and stops no other.
"""

import argparse
import os
import shutil
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Optional

from ..errors import UserError, error_prefix
from ..io import read_json, write_json
from ..processors import count_processors
from ._command import Parser, command, maybe_write_json, progress
from ._runner import add_config_options, checked_options, read_config

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..experiments.plan import Plan

CHECKPOINTS = 3
"""Of a run, at one moment: two are kept while the next is written."""

BYTES_PER_PARAMETER = 12
"""In a checkpoint: the weight and the two moments of Adam."""


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('sweep', __doc__)
    parser.add_argument('plan', metavar='PLAN', help='the plan: .py, .yaml or .json')
    parser.add_argument(
        '--work-dir', metavar='DIR', help='folder of the sweep (default: work_dirs/NAME_OF_PLAN)'
    )
    add_config_options(parser)
    add_sweep_flags(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--dry-run', action='store_true', help='print the runs and how long they will take'
    )
    what.add_argument(
        '--collect', action='store_true', help='train nothing, compare the runs that are finished'
    )
    parser.add_argument(
        '--metafile', metavar='FILE', help="write the results into a folder's metafile.yml"
    )
    parser.add_json()
    args = parser.parse_args(argv)

    from dataclasses import replace

    from ..experiments.plan import load_plan

    plan = load_plan(args.plan)
    for arm in plan.arms:
        with error_prefix(f"arm '{arm.name}'"):
            options = checked_options(read_config(arm.config), args.cfg_options)
    plan = replace(plan, overrides={**plan.overrides, **options})
    folder = Path(args.work_dir or Path('work_dirs', plan.name)).resolve()
    _use(args.device)
    if args.dry_run:
        dry_run(plan, folder, args.jobs)
        return 0
    verdict = sweep(plan, folder, args.jobs, args.device, train=not args.collect)
    if args.metafile:
        from ..experiments.metafile import write_metafile

        write_metafile(args.metafile, verdict)
        print(f'{args.metafile}: written')
    maybe_write_json(args.json, verdict)
    return int(bool(verdict['failed']) and not args.collect)


def add_sweep_flags(parser: Parser) -> None:
    """Add the flags of commands that train several runs."""
    parser.add_argument(
        '--jobs',
        type=_positive,
        default=1,
        metavar='N',
        help='runs at once; they share the cores (default %(default)s)',
    )
    parser.add_argument(
        '--device',
        choices=('auto', 'cpu', 'cuda'),
        default='auto',
        help='cuda is an error where there is none; auto takes it if there is one',
    )


def sweep(
    plan: 'Plan', folder: Path, jobs: int = 1, device: str = 'auto', train: bool = True
) -> dict[str, Any]:
    """Check a plan, train what is not finished, compare, and write the page.

    Returns:
        What ``verdict.json`` holds.

    Raises:
        UserError: Before anything is trained: a config cannot be built, data is missing, the folder
            is another plan's or the disk is too small. Afterwards: too few runs finished.
    """
    _use(device)
    from ..comparison.warmup import compile_ahead
    from ..experiments.collect import collect, finished_runs
    from ..experiments.launch import launch, log_of
    from ..experiments.severities import with_severities
    from ._progress_display import Board

    configs, overrides = check(plan, folder), plan.overrides
    if train:
        _claim(plan, folder)
    else:
        finished_runs(plan, folder)
    if plan.severities:
        injected = with_severities(plan, folder, configs[plan.baseline], progress('severities'))
        configs, overrides = check(injected, folder), injected.overrides
    if train:
        Thread(target=compile_ahead, daemon=True).start()
        with Board() as board:
            states = launch(plan.runs, folder, overrides, jobs=jobs, watch=board)
        for state in states:
            if state.phase == 'failed':
                print(f'{state.run.name} failed; its log: {log_of(state.run, folder)}')
    comparison = collect(plan, folder, configs, progress)
    print(comparison)
    write_pages(folder)
    return read_json(folder / 'verdict.json')


def check(plan: 'Plan', folder: Path) -> dict[str, 'Config']:
    """Find the mistakes that can be found before anything is trained.

    Returns:
        The whole config of every arm.

    Raises:
        UserError: Of an arm, whose name the message gives.
    """
    from ..compat.doctor import require_host
    from ..experiments.collect import check_test_set, tested_on
    from ..experiments.launch import FINISHED, run_config
    from ..experiments.plan import Run
    from ._checks import build_checked_model, check_data

    require_host()
    _check_folder(plan, folder)
    configs, needed = {}, 0
    for arm in plan.arms:
        seeds = arm.seeds or plan.seeds
        with error_prefix(f"arm '{arm.name}'"):
            configs[arm.name] = config = run_config(
                Run(arm, seeds[0]), folder / arm.name, plan.overrides
            )
            check_data(config, 'train_dataloader', 'test_dataloader')
            model = build_checked_model(config)
            if tested_on(config) != tested_on(configs[plan.arms[0].name]):
                raise UserError(
                    f'is tested on {tested_on(config)[0]} and {plan.arms[0].name} on '
                    f'{tested_on(configs[plan.arms[0].name])[0]}; a comparison needs one test set'
                )
        size = CHECKPOINTS * BYTES_PER_PARAMETER * sum(p.numel() for p in model.parameters())
        needed += size * sum(not (folder / Run(arm, s).name / FINISHED).is_file() for s in seeds)
    check_test_set(plan, configs[plan.baseline])
    _check_disk(folder, needed)
    return configs


def dry_run(plan: 'Plan', folder: Path, jobs: int) -> None:
    """Print the runs, what is done of them, and how long the rest will take."""
    from rich.console import Console
    from rich.table import Table

    from ..experiments.arms import training_time
    from ..experiments.launch import FINISHED
    from ..experiments.plan import Run

    configs = check(plan, folder)
    threads = max(count_processors() // jobs, 1)
    table = Table(title=f'{plan.name}: {len(plan.runs)} runs in {folder}')
    for title in ('arm', 'seeds', 'finished', 'minutes per run'):
        table.add_column(title, justify='left' if title == 'arm' else 'right', no_wrap=True)
    total = 0.0
    for arm in progress('timing')(plan.arms, len(plan.arms)):
        seeds = arm.seeds or plan.seeds
        done = [s for s in seeds if (folder / Run(arm, s).name / FINISHED).is_file()]
        seconds = training_time(configs[arm.name], threads)
        total += seconds * (len(seeds) - len(done))
        table.add_row(
            arm.name, ', '.join(map(str, seeds)), f'{len(done)} of {len(seeds)}',
            f'{seconds / 60:.1f}',
        )  # fmt: skip
    Console().print(table)
    print(
        f'About {total / jobs / 60:.0f} minutes with --jobs {jobs}, from a few steps of each arm '
        'timed alone.'
    )


def write_pages(folder: Path) -> None:
    """Write the page and its short form; print where they are."""
    from ..report.sweep_page import write_verdict_markdown, write_verdict_page

    for path in (write_verdict_page(folder), write_verdict_markdown(folder)):
        print(path)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1, got {text}')
    return int(text)


def _use(device: str) -> None:
    """Choose the device for this process and those it starts, before torch looks for one."""
    if device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    elif device == 'cuda':
        import torch

        if not torch.cuda.is_available():
            raise UserError('--device cuda: there is no CUDA device; see spatialattn doctor')


def _check_folder(plan: 'Plan', folder: Path) -> None:
    manifest = folder / 'sweep.json'
    if manifest.is_file():
        name = read_json(manifest).get('plan')
        if name != plan.name:
            raise UserError(
                f"{folder} holds the sweep of plan '{name}' and not '{plan.name}': give another "
                '--work-dir'
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f'{folder} holds something else: give another --work-dir')


def _claim(plan: 'Plan', folder: Path) -> None:
    from ..experiments.collect import describe

    write_json(folder / 'sweep.json', {'plan': plan.name, **describe(plan)})


def _check_disk(folder: Path, needed: int) -> None:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UserError(
            f'{existing} has {free / 2**30:.1f} GiB left and the checkpoints of the runs take '
            f'{needed / 2**30:.1f}: free some, or give a --work-dir on another disk'
        )
