"""The sweep: train and test the arms of a plan, several seeds each, and compare them in clutter.

From Python it takes three lines::

    from mmdet_spatialattn import load_plan, run_sweep

    result = run_sweep(load_plan('configs/experiments/demo.py'), 'work_dirs/demo', jobs=2)
    print(result)

``spatialattn sweep`` does the same.
"""

import copy
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any, Callable, Optional

from mmengine.config import Config
from torch import nn

from ..clutter import stratify, stratify_images
from ..coco import Annotations, load_annotations
from ..comparison import warm_up
from ..compat.doctor import require_host
from ..errors import UserError, error_prefix, require
from ..evaluation import EvaluationTask
from ..io import PathLike, differences, locked, read_json, write_json
from ..processors import count_processors
from ..report import write_sweep_markdown, write_sweep_page
from ..report.sweep_page import PAGE_OF_BOXES
from ..results import Run, SweepResult
from ..results.sweep import FINISHED, START
from .checks import build_checked_model, check_checkpoint, check_data
from .collect import VERDICT, collect, compare_finished, finished_runs, summarise
from .config import arm_config, coco_files, run_config, start_config
from .devices import choose_device, choose_gpus
from .fingerprint import claim_run
from .forecast import ArmForecast, Forecast, training_time
from .identity import check_identity
from .launch import LOCAL, launch
from .launchers import Launcher, Local
from .own_data import check_masks
from .plan import Plan
from .pretrained import check_available, check_pretrained
from .progress import SILENT, SweepProgress
from .record import read_record
from .reopen import read_collected, write_stamp
from .resumable import final_checkpoint
from .severities import write_severities
from .start import Start

MANIFEST, LOCK = 'sweep.json', '.lock'
"""Files in the folder of a sweep: one that names its plan, and one that a working sweep holds."""

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
    launcher: Launcher = LOCAL,
    progress: SweepProgress = SILENT,
) -> SweepResult:
    """Check a plan, train and test the runs that are not finished, and compare the arms.

    An interrupted sweep is resumed by the same call, and ends as if undisturbed. A finished one is
    read, unless something that its result was made of has changed.

    Args:
        plan: The plan.
        folder: Folder of the sweep; ``docs/experiments.md`` lists what it holds afterwards.
        jobs: Number of runs at a time; they divide the processors.
        device: ``'cpu'``; ``'cuda'`` for all GPUs, which the runs share; some of them, as
            ``'cuda:0,cuda:2'``; or ``'auto'`` for GPUs where there are some.
        launcher: Executes the runs: on this machine, or see :mod:`.launchers`.
        progress: Shows the progress.

    Raises:
        UserError: Before anything is trained: a config cannot be built, data is missing, the folder
            belongs to another plan, or the disk is too small. Afterwards: too few runs finished.
    """
    gpus: tuple[str, ...] = ()
    run_device = device
    is_local = isinstance(launcher, Local)
    if is_local or not device.startswith('cuda'):
        gpus, run_device = choose_gpus(device), choose_device(device)
    device, jobs = choose_device(device if is_local else 'auto'), _checked_jobs(jobs)
    collected = read_collected(plan, Path(folder).resolve(), device, ended=True)
    if collected is not None:
        return collected
    launcher.prepare()
    sweep = check(plan, folder)
    for note in sweep.notes:
        progress.note(note)
    waiting = f'another sweep works in {sweep.folder}; this one goes on when that has ended'
    with locked(sweep.folder / LOCK, lambda: progress.note(waiting)):
        _claim(sweep)
        sweep = _with_severities(sweep, progress)
        _claim_runs(sweep)
        Thread(target=warm_up, daemon=True).start()  # passes while the first runs train
        options: dict[str, Any] = dict(jobs=jobs, device=run_device, gpus=gpus, launcher=launcher)

        def launch_runs(runs: Sequence[Run]) -> None:
            _launch(sweep, runs, progress=progress, **options)

        launch_runs(plan.start_runs)
        _check_start(sweep)
        if plan.looks:
            _launch_until_clear(sweep, launch_runs, progress)
        else:
            launch_runs(plan.runs)
        return _collect(sweep, device, progress, ended=True)


def collect_sweep(
    plan: Plan, folder: PathLike, *, device: str = 'auto', progress: SweepProgress = SILENT
) -> SweepResult:
    """Compare the runs of a sweep that are finished so far; train nothing.

    Raises:
        UserError: The plan cannot be carried out, or too few runs are finished.
    """
    device, folder = choose_device(device), Path(folder).resolve()
    collected = read_collected(plan, folder, device, ended=False)
    if collected is not None:
        return collected
    sweep = _check(plan, folder, training=False)
    finished_runs(plan, sweep.folder)
    sweep = _with_severities(sweep, progress)
    _claim_runs(sweep)
    return _collect(sweep, device, progress, ended=not plan.looks)


@dataclass(frozen=True)
class CheckedSweep:
    """A plan that can be carried out, and what its check had to read.

    Attributes:
        plan: The plan.
        folder: Folder of the sweep.
        configs: The whole config of every arm, and of the training of a common start.
        test_set: Annotations of the test set.
        notes: What the sweep will do besides, such as downloads.
    """

    plan: Plan
    folder: Path
    configs: Mapping[str, Config]
    test_set: Annotations
    notes: tuple[str, ...] = ()

    def config_of(self, run: Run) -> Config:
        """Return the whole config of a run."""
        arms = {arm.name: arm for arm in self.plan.arms}
        return run_config(
            self.configs[run.arm],
            run.seed,
            self.folder / run.name,
            checkpoint=self.checkpoint_of(run),
            jitter=arms[run.arm].jitter if run.arm in arms else 0.0,
        )

    def checkpoint_of(self, run: Run) -> Optional[str]:
        """Return the trained detector that a run begins from; ``None`` from scratch."""
        start = self.plan.start
        if start is None or run.arm == START:
            return None
        if start.checkpoint is not None:
            return start.checkpoint
        base = Run(START, start.seeds[0] if run.base is None else run.base)
        return str(self.folder / base.name / final_checkpoint(self.configs[START]))


def check(plan: Plan, folder: PathLike) -> CheckedSweep:
    """Find the mistakes that can be found before anything is trained; write nothing.

    Every arm's detector is built, its data and the checkpoints that it starts from are looked for,
    the strata, doses and groups are tried on the test set, and the disk is measured.

    Raises:
        UserError: There is a mistake; the message names the arm.
    """
    return _check(plan, Path(folder).resolve(), training=True)


def _check(plan: Plan, folder: Path, *, training: bool) -> CheckedSweep:
    """Check a plan; without training, only what comparing the finished runs needs."""
    require_host()
    for package in ('jinja2', 'plotly'):  # for the page, after a night of training
        require(package, 'report')
    _check_folder(plan, folder)
    configs: dict[str, Config] = {}
    notes: list[str] = []
    size = 0
    for arm, runs in _runs_of(plan).items():
        unfinished = _count_unfinished(runs, folder) if training else 0
        with error_prefix(arm if arm == START else f"arm '{arm}'"):
            configs[arm] = config = _config_of(plan, arm)
            run_config(config, 0, folder)
            check_data(config, 'test_dataloader', *(['train_dataloader'] if unfinished else []))
            model = build_checked_model(config)
            if unfinished:
                notes += _check_weights(model, config, None if arm == START else plan.start)
            size += unfinished * _checkpoint_size(model)
    _check_one_test_set(configs, plan.baseline)
    _check_disk(folder, size)
    test_set = _load_test_set(plan, configs)
    return CheckedSweep(plan, folder, configs, test_set, tuple(dict.fromkeys(notes)))


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
    device = choose_device(device)
    threads = max(count_processors() // _checked_jobs(jobs), 1)
    sweep = check(plan, folder)
    forecasts, runs_of = {}, _runs_of(plan)
    for arm, runs in progress.steps('timing')(runs_of.items(), len(runs_of)):
        config = run_config(sweep.configs[arm], runs[0].seed, sweep.folder)
        forecasts[arm] = ArmForecast(
            seeds=tuple(run.seed for run in runs),
            finished=len(runs) - _count_unfinished(runs, sweep.folder),
            seconds=training_time(config, device=device, threads=threads),
        )
    verdict, power = sweep.folder / VERDICT, {}
    if verdict.is_file():
        power = SweepResult.read(verdict).comparison.power
    return Forecast(plan.name, str(sweep.folder), jobs, forecasts, power, sweep.notes)


def _collect(
    sweep: CheckedSweep, device: str, progress: SweepProgress, *, ended: bool
) -> SweepResult:
    """Collect the finished runs, and write the pages; ``ended`` unless seeds may be missing."""
    result = collect(
        sweep.plan,
        sweep.folder,
        configs=sweep.configs,
        test_set=sweep.test_set,
        device=device,
        progress=progress,
    )
    write_sweep_page(result, sweep.folder)
    if result.of_boxes is not None:
        write_sweep_page(result.of_boxes, sweep.folder, path=sweep.folder / PAGE_OF_BOXES)
    write_sweep_markdown(result, sweep.folder)
    write_stamp(sweep.plan, sweep.folder, device, ended=ended and not result.failed)
    return result


def _launch(
    sweep: CheckedSweep, runs: Sequence[Run], *, progress: SweepProgress, **options: Any
) -> None:
    """Train and test the runs that are not finished."""
    if not runs:
        return
    with progress.runs() as watch:
        launch(runs, sweep.folder, config_of=sweep.config_of, watch=watch, **options)


def _launch_until_clear(
    sweep: CheckedSweep, launch_runs: Callable[[Sequence[Run]], None], progress: SweepProgress
) -> None:
    """Add seeds to the arms that are open, from look to look."""
    plan = sweep.plan
    open_arms = {arm.name for arm in plan.arms}
    for look in plan.looks:
        seeds = plan.seeds[:look]
        runs = [run for run in plan.runs if run.arm in open_arms and run.seed in seeds]
        launch_runs(runs)
        comparison = compare_finished(
            plan,
            sweep.folder,
            configs=sweep.configs,
            test_set=sweep.test_set,
            progress=progress,
        )
        looks = comparison.looks
        open_arms = {arm for arm, taken in looks.items() if taken.open}
        if not open_arms:
            return
        open_arms.add(plan.baseline)


def _check_start(sweep: CheckedSweep) -> None:
    """Check that the common start is trained, and that every arm begins as the baseline."""
    plan = sweep.plan
    if plan.start is None:
        return
    for run in plan.start_runs:
        if read_record(run, sweep.folder).state != FINISHED:
            raise UserError(
                f'the training of the common start, {run.name}, failed; its log: '
                f'{sweep.folder / run.log}'
            )
    compared = {arm.name: sweep.configs[arm.name] for arm in plan.arms if not arm.jitter}
    first = plan.runs_of(plan.arms[0])[0]
    checkpoint = sweep.checkpoint_of(first)
    assert checkpoint is not None
    check_identity(compared, plan.baseline, checkpoint, exact=plan.start.exact)


def _claim(sweep: CheckedSweep) -> None:
    """Write the plan into the folder, which then belongs to it."""
    plan = sweep.plan
    write_json(sweep.folder / MANIFEST, {**protocol(plan), **asdict(summarise(plan))})


def _claim_runs(sweep: CheckedSweep) -> None:
    """Check that the folder holds no run of another config, wherever it was trained."""
    for run in (*sweep.plan.start_runs, *sweep.plan.runs):
        folder = sweep.folder / run.name
        if folder.is_dir():
            claim_run(folder, sweep.config_of(run))


def protocol(plan: Plan) -> dict[str, Any]:
    """Return what of a plan may not change once its runs have begun."""
    protocol: dict[str, Any] = {'plan': plan.name}
    if plan.looks:
        protocol['looks'] = plan.looks
        protocol['delta'] = plan.delta
    if plan.start is not None:
        protocol['baseline'] = plan.baseline
        protocol['start'] = _without_path(summarise(plan).start)
        protocol['fine_tuning'] = dict(plan.fine_tuning)
        protocol['question'] = summarise(plan).question
        protocol['delta'] = plan.delta
    return json.loads(json.dumps(protocol))


def _without_path(start: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a start without the path of its checkpoint, whose content every run notes."""
    return {key: value for key, value in (start or {}).items() if key != 'checkpoint'}


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
        stored = read_json(manifest)
        if isinstance(stored, dict) and isinstance(stored.get('start'), dict):
            stored['start'] = _without_path(stored['start'])
        changes = differences(stored, protocol(plan))
        if changes:
            raise UserError(f'{folder} holds another sweep ({changes}): give another folder')
    elif folder.exists():
        # A trained start may have been copied; runs of arms only after the plan stands there.
        others = sorted({path.name for path in folder.glob('*')} - {START, LOCK})
        if others or not folder.is_dir():
            names = ', '.join(others[:3]) or 'it is a file'
            raise UserError(f'{folder} holds other files ({names}): give another folder')


def _runs_of(plan: Plan) -> dict[str, list[Run]]:
    """Return the runs of every arm, and first those that train a common start."""
    starts = {START: plan.start_runs} if plan.start_runs else {}
    return starts | {arm.name: plan.runs_of(arm) for arm in plan.arms}


def _config_of(plan: Plan, name: str) -> Config:
    """Return the whole config of an arm, or of the training of the common start."""
    if name == START and plan.start_runs:
        return start_config(plan)
    (arm,) = (arm for arm in plan.arms if arm.name == name)
    return arm_config(plan, arm)


def _check_weights(model: nn.Module, config: Config, start: Optional[Start]) -> list[str]:
    """Check the checkpoints that a run begins from; return a line for each that is downloaded."""
    notes = check_pretrained(config)
    key, path, purpose = 'load_from', config.get('load_from'), 'start'
    if start is not None:
        key, path, purpose = 'start', start.checkpoint, 'insert'
    if path is None:
        return notes
    note = check_available(path, key)
    if note is not None:
        return [*notes, f'{note}, and checked then']
    with error_prefix(key):
        check_checkpoint(model, path, purpose)
    return notes


def _checkpoint_size(model: nn.Module) -> int:
    """Return the bytes of the checkpoints of one run."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return CHECKPOINTS * BYTES_PER_PARAMETER * parameters


def _count_unfinished(runs: Sequence[Run], folder: Path) -> int:
    return sum(read_record(run, folder).state != FINISHED for run in runs)


def _check_one_test_set(configs: Mapping[str, Config], baseline: str) -> None:
    expected = coco_files(configs[baseline].test_dataloader)
    for arm, config in configs.items():
        files = coco_files(config.test_dataloader)
        if files != expected:
            raise UserError(
                f"arm '{arm}' is tested on {files.annotations} and '{baseline}' on "
                f'{expected.annotations}; a comparison needs one test set'
            )


def _load_test_set(plan: Plan, configs: Mapping[str, Config]) -> Annotations:
    """Load the annotations, and check that they have the plan's strata, doses, groups and masks.

    Clutter injection makes doses and groups of its own, later.
    """
    files = coco_files(configs[plan.baseline].test_dataloader)
    annotations = load_annotations(files.annotations)
    check_masks(configs.values(), annotations)
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


def _checked_jobs(jobs: int) -> int:
    if jobs < 1:
        raise UserError(f'jobs must be at least 1, got {jobs}')
    return jobs
