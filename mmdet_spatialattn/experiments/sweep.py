"""The sweep: train and test the arms of a plan, several seeds each, and compare them in clutter.

From Python it takes three lines::

    from mmdet_spatialattn import load_plan, run_sweep

    result = run_sweep(load_plan('configs/experiments/demo.py'), 'work_dirs/demo', jobs=2)
    print(result)

``spatialattn sweep`` does the same.
"""

import copy
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Thread

import torch
from mmengine.config import Config

from ..clutter import stratify, stratify_images
from ..coco import Annotations, load_annotations
from ..comparison import warm_up
from ..compat.doctor import require_host
from ..errors import UserError, error_prefix, require
from ..evaluation import EvaluationTask
from ..io import PathLike, differences, is_empty_folder, read_json, write_json
from ..processors import count_processors
from ..report import write_sweep_markdown, write_sweep_page
from ..results import SweepResult
from ..results.sweep import FINISHED
from .checks import build_checked_model, check_data
from .collect import collect, finished_runs, summarise
from .config import arm_config, coco_files, run_config
from .forecast import ArmForecast, Forecast, training_time
from .launch import launch
from .plan import Arm, Plan
from .progress import SILENT, SweepProgress
from .record import read_record
from .severities import write_severities

MANIFEST = 'sweep.json'
"""File in the folder of a sweep that names its plan."""

DEVICES = ('auto', 'cpu', 'cuda')

CHECKPOINTS = 3
"""Number of checkpoints of a run at a time: two are kept while the next is written."""

BYTES_PER_PARAMETER = 12
"""Size of a parameter in a checkpoint: the weight and the two moments of Adam."""


def run_sweep(
    plan: Plan,
    folder: PathLike,
    *,
    jobs: int = 1,
    device: str = 'auto',
    progress: SweepProgress = SILENT,
) -> SweepResult:
    """Check a plan, train and test the runs that are not finished, and compare the arms.

    An interrupted sweep is resumed by the same call, and ends as if undisturbed.

    Args:
        plan: The plan.
        folder: Folder of the sweep; the README beside this file lists what it holds afterwards.
        jobs: Number of runs at a time; they divide the processors.
        device: ``'cpu'``, ``'cuda'``, or ``'auto'`` for a GPU where there is one.
        progress: Shows the progress.

    Raises:
        UserError: Before anything is trained: a config cannot be built, data is missing, the folder
            belongs to another plan, or the disk is too small. Afterwards: too few runs finished.
    """
    device, jobs = _choose_device(device), _checked_jobs(jobs)
    sweep = check(plan, folder)
    _claim(sweep)
    sweep = _with_severities(sweep, progress)
    Thread(target=warm_up, daemon=True).start()  # passes while the first runs train
    with progress.runs() as watch:
        launch(
            plan.runs, sweep.folder, configs=sweep.configs, jobs=jobs, device=device, watch=watch
        )
    return _collect(sweep, device, progress)


def collect_sweep(
    plan: Plan, folder: PathLike, *, device: str = 'auto', progress: SweepProgress = SILENT
) -> SweepResult:
    """Compare the runs of a sweep that are finished so far; train nothing.

    Raises:
        UserError: The plan cannot be carried out, or too few runs are finished.
    """
    device = _choose_device(device)
    sweep = check(plan, folder)
    finished_runs(plan, sweep.folder)
    return _collect(_with_severities(sweep, progress), device, progress)


@dataclass(frozen=True)
class CheckedSweep:
    """A plan that can be carried out, and what its check had to read.

    Attributes:
        plan: The plan.
        folder: Folder of the sweep.
        configs: The whole config of every arm.
        test_set: Annotations of the test set.
    """

    plan: Plan
    folder: Path
    configs: Mapping[str, Config]
    test_set: Annotations


def check(plan: Plan, folder: PathLike) -> CheckedSweep:
    """Find the mistakes that can be found before anything is trained; write nothing.

    Every arm's detector is built and its data looked for, the strata, doses and groups are tried on
    the test set, and the disk is measured.

    Raises:
        UserError: There is a mistake; the message names the arm.
    """
    require_host()
    for package in ('jinja2', 'plotly'):  # for the page, after a night of training
        require(package, 'report')
    folder = Path(folder).resolve()
    _check_folder(plan, folder)
    configs: dict[str, Config] = {}
    size = 0
    for arm in plan.arms:
        with error_prefix(f"arm '{arm.name}'"):
            configs[arm.name] = config = arm_config(plan, arm)
            size += _checkpoint_size(config, folder) * _count_unfinished(plan, arm, folder)
    _check_one_test_set(configs)
    _check_disk(folder, size)
    return CheckedSweep(plan, folder, configs, _load_test_set(plan, configs[plan.baseline]))


def dry_run(
    plan: Plan,
    folder: PathLike,
    *,
    jobs: int = 1,
    device: str = 'auto',
    progress: SweepProgress = SILENT,
) -> Forecast:
    """Check a plan and estimate how long it will take, from a few steps of each arm; write nothing.

    Args:
        plan: The plan.
        folder: Folder of the sweep.
        jobs: Number of runs at a time.
        device: ``'cpu'``, ``'cuda'``, or ``'auto'`` for a GPU where there is one.
        progress: Shows the progress.

    Raises:
        UserError: As :func:`check`.
    """
    device = _choose_device(device)
    threads = max(count_processors() // _checked_jobs(jobs), 1)
    sweep = check(plan, folder)
    forecasts = {}
    for arm in progress.steps('timing')(plan.arms, len(plan.arms)):
        runs = plan.runs_of(arm)
        config = run_config(sweep.configs[arm.name], runs[0].seed, sweep.folder)
        forecasts[arm.name] = ArmForecast(
            seeds=tuple(run.seed for run in runs),
            finished=len(runs) - _count_unfinished(plan, arm, sweep.folder),
            seconds=training_time(config, device=device, threads=threads),
        )
    return Forecast(plan.name, str(sweep.folder), jobs, forecasts)


def _collect(sweep: CheckedSweep, device: str, progress: SweepProgress) -> SweepResult:
    """Collect the finished runs, and write the pages."""
    result = collect(
        sweep.plan,
        sweep.folder,
        configs=sweep.configs,
        test_set=sweep.test_set,
        device=device,
        progress=progress,
    )
    write_sweep_page(result, sweep.folder)
    write_sweep_markdown(result, sweep.folder)
    return result


def _claim(sweep: CheckedSweep) -> None:
    """Write the plan into the folder, which then belongs to it."""
    plan = sweep.plan
    write_json(sweep.folder / MANIFEST, {'plan': plan.name, **asdict(summarise(plan))})


def _with_severities(sweep: CheckedSweep, progress: SweepProgress) -> CheckedSweep:
    """Return the sweep with all arms tested at the severities of its plan, if it has some."""
    plan = sweep.plan
    if not plan.severities:
        return sweep
    baseline = sweep.configs[plan.baseline]
    changes = write_severities(plan, sweep.folder, baseline, progress.steps('severities'))
    configs = {arm: copy.deepcopy(config) for arm, config in sweep.configs.items()}
    for config in configs.values():
        config.merge_from_dict(changes)
    baseline = configs[plan.baseline]
    check_data(baseline, 'test_dataloader')
    test_set = load_annotations(coco_files(baseline.test_dataloader).annotations)
    return replace(sweep, configs=configs, test_set=test_set)


def _check_folder(plan: Plan, folder: Path) -> None:
    manifest = folder / MANIFEST
    if manifest.is_file():
        changes = differences(read_json(manifest), {'plan': plan.name})
        if changes:
            raise UserError(f'{folder} holds another sweep ({changes}): give another folder')
    elif folder.exists() and not is_empty_folder(folder):
        raise UserError(f'{folder} holds other files: give another folder')


def _checkpoint_size(config: Config, folder: Path) -> int:
    """Check the config of an arm; return the bytes of the checkpoints of one run."""
    run_config(config, 0, folder)
    check_data(config, 'train_dataloader', 'test_dataloader')
    parameters = build_checked_model(config).parameters()
    return CHECKPOINTS * BYTES_PER_PARAMETER * sum(parameter.numel() for parameter in parameters)


def _count_unfinished(plan: Plan, arm: Arm, folder: Path) -> int:
    runs = (read_record(run, folder) for run in plan.runs_of(arm))
    return sum(run.state != FINISHED for run in runs)


def _check_one_test_set(configs: Mapping[str, Config]) -> None:
    first, *others = configs
    expected = coco_files(configs[first].test_dataloader)
    for arm in others:
        files = coco_files(configs[arm].test_dataloader)
        if files != expected:
            raise UserError(
                f"arm '{arm}' is tested on {files.annotations} and '{first}' on "
                f'{expected.annotations}; a comparison needs one test set'
            )


def _load_test_set(plan: Plan, config: Config) -> Annotations:
    """Load the annotations, and check that they have the plan's strata, doses and groups.

    Clutter injection makes doses and groups of its own, later.
    """
    annotations = load_annotations(coco_files(config.test_dataloader).annotations)
    group_by = None if plan.severities else plan.group_by
    EvaluationTask(annotations, stratify(annotations, plan.strata), group_by=group_by)
    if plan.dose and not plan.severities:
        stratify_images(annotations, plan.dose)
    return annotations


def _check_disk(folder: Path, size: int) -> None:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < size:
        raise UserError(
            f'{existing} has {free / 2**30:.1f} GiB left and the checkpoints of the runs take '
            f'{size / 2**30:.1f}: delete some files, or give a folder on another disk'
        )


def _choose_device(device: str) -> str:
    """Return ``'cuda'`` or ``'cpu'``."""
    if device not in DEVICES:
        raise UserError(f"device must be one of {', '.join(DEVICES)}, got '{device}'")
    available = torch.cuda.is_available()
    if device == 'cuda' and not available:
        raise UserError(
            "device 'cuda': there is no CUDA device; spatialattn doctor shows what is installed"
        )
    return 'cuda' if available and device != 'cpu' else 'cpu'


def _checked_jobs(jobs: int) -> int:
    if jobs < 1:
        raise UserError(f'jobs must be at least 1, got {jobs}')
    return jobs
