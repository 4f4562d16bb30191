"""Collect the finished runs of a sweep into one result, with everything that its page shows.

``verdict.json`` is a function of the plan and of the runs: a sweep that was interrupted and one
that was not write the same. Measured times differ between measurements; they stand in
``cost.json``. ``docs/experiments.md`` describes both.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from ..coco import Annotations, Detections, load_detections
from ..comparison import compare, dose_response
from ..compat.configs import config_name
from ..errors import UserError
from ..evaluation.metrics import max_detections_up_to
from ..io import read_json, write_json
from ..results import ArmSummary, Audit, Comparison, Cost, PlanSummary, Run, SweepResult
from ..results.sweep import FAILED, FINISHED, WAITING
from .arms import ArmMeasurement, differences, measure_arms
from .config import coco_files, iou_types, run_config
from .plan import Plan
from .progress import SILENT, SweepProgress
from .record import read_record
from .severities import annotations_of, clean_images, detections_of

VERDICT, COSTS = 'verdict.json', 'cost.json'
"""Files of the result, and of the measured costs, in the folder of a sweep."""


def collect(
    plan: Plan,
    folder: Path,
    *,
    configs: Mapping[str, Config],
    test_set: Annotations,
    device: str = 'cpu',
    progress: SweepProgress = SILENT,
) -> SweepResult:
    """Compare the finished runs; write ``verdict.json`` and ``cost.json`` into the folder.

    Args:
        plan: The plan.
        folder: Folder of the sweep.
        configs: The whole config of every arm.
        test_set: Annotations of the test set.
        device: ``'cuda'`` or ``'cpu'``, where costs are measured.
        progress: Shows the progress.

    Raises:
        UserError: The baseline or all other arms have no finished run.
    """
    finished = finished_runs(plan, folder)
    runs = [read_record(run, folder) for run in plan.runs]
    files = coco_files(configs[plan.baseline].test_dataloader)
    annotations = replace(test_set, source=relative(files.annotations, folder))
    iou_type, *others = iou_types(configs[arm] for arm in finished)
    detections = load_runs(finished, folder, annotations, iou_type)
    dose = None
    if plan.dose:
        dose = dose_response(
            annotations,
            detections,
            field=plan.dose,
            group_by=plan.group_by,
            progress=progress.steps('by dose'),
            **_options(plan, finished, iou_type),
        )
    comparison = compare_runs(plan, runs, annotations, detections, iou_type, progress)
    boxes = None
    if others:
        detections = load_runs(finished, folder, annotations, 'bbox')
        boxes = compare_runs(plan, runs, annotations, detections, 'bbox', progress)
    if plan.looks:  # what a settled arm did not need is not missing
        runs = [run for run in runs if run.state != WAITING]
    arms = {arm: configs[arm] for arm in finished}
    measured = _measured(folder / COSTS, arms, plan.baseline, device)
    result = SweepResult(
        plan=summarise(plan),
        annotations=annotations.source,
        images=relative(files.images, folder),
        comparison=comparison,
        dose=dose,
        costs={
            arm: measurement.cost.without_times(f'measured times stand in {COSTS}')
            for arm, measurement in measured.items()
        },
        audits={arm: measurement.audit for arm, measurement in measured.items()},
        differences=differences(
            {arm: run_config(config, 0, folder) for arm, config in arms.items()}, plan.baseline
        ),
        runs=tuple(runs),
        boxes=boxes,
    )
    result.to_json(folder / VERDICT)
    return result


def compare_finished(
    plan: Plan,
    folder: Path,
    *,
    configs: Mapping[str, Config],
    test_set: Annotations,
    progress: SweepProgress = SILENT,
) -> Comparison:
    """Compare the finished runs, and write nothing; the arguments are those of :func:`collect`."""
    finished = finished_runs(plan, folder)
    runs = [read_record(run, folder) for run in plan.runs]
    iou_type = iou_types(configs[arm] for arm in finished)[0]
    detections = load_runs(finished, folder, test_set, iou_type)
    return compare_runs(plan, runs, test_set, detections, iou_type, progress)


def compare_runs(
    plan: Plan,
    runs: Sequence[Run],
    annotations: Annotations,
    detections: Mapping[str, Sequence[Detections]],
    iou_type: str,
    progress: SweepProgress,
) -> Comparison:
    """Compare the arms of a plan by the detections of their finished runs."""
    group_by = plan.group_by
    if plan.severities:  # effects are those on the images without distractors, ungrouped
        kept, group_by = clean_images(annotations), None
        annotations = annotations_of(annotations, kept)
        detections = {
            arm: [detections_of(run, kept) for run in entries]
            for arm, entries in detections.items()
        }
    finished = {
        arm: [run for run in runs if run.arm == arm and run.state == FINISHED] for arm in detections
    }
    return compare(
        annotations,
        detections,
        strata=plan.strata,
        group_by=group_by,
        questions=plan.questions,
        delta=plan.delta / 100,
        looks=plan.looks,
        withheld=_withheld(plan, runs),
        progress=progress.steps('comparing'),
        **_options(plan, finished, iou_type),
    )


def load_runs(
    finished: Mapping[str, Sequence[Run]], folder: Path, annotations: Annotations, iou_type: str
) -> dict[str, list[Detections]]:
    """Load the detections of the finished runs as boxes or as masks, by arm."""
    return {
        arm: [_load(run, folder, annotations, iou_type) for run in runs]
        for arm, runs in finished.items()
    }


def _options(plan: Plan, finished: Mapping[str, Sequence[Run]], iou_type: str) -> dict[str, Any]:
    """Return what comparison and dose-response have in common."""
    return {
        'baseline': plan.baseline,
        'iou_type': iou_type,
        'n_boot': plan.n_boot,
        'max_detections': max_detections_up_to(plan.max_detections),
        'seeds': _shared_seeds(finished, plan.baseline),
    }


def finished_runs(plan: Plan, folder: Path) -> dict[str, list[Run]]:
    """Return the finished runs by arm; arms without one are left out.

    Raises:
        UserError: The baseline or all other arms have none.
    """
    by_arm = {
        arm.name: [run for run in plan.runs_of(arm) if read_record(run, folder).state == FINISHED]
        for arm in plan.arms
    }
    finished = {arm: runs for arm, runs in by_arm.items() if runs}
    if plan.baseline not in finished or len(finished) < 2:
        raise UserError(
            f'{folder}: {sum(map(len, finished.values()))} of {len(plan.runs)} runs are finished; '
            f"a comparison needs one of the baseline '{plan.baseline}' and one of another arm"
        )
    return finished


def _withheld(plan: Plan, runs: Sequence[Run]) -> dict[str, str]:
    """Return the arms whose numbers show nothing, and why: runs failed, attention did not train."""
    reasons = {}
    for arm in plan.arms:
        own = [run for run in runs if run.arm == arm.name]
        failed = sum(run.state == FAILED for run in own)
        obstacles = [run.health.obstacle for run in own if run.health and run.health.obstacle]
        if failed:
            reasons[arm.name] = (
                f'{failed} of its {len(own)} runs failed, and runs do not fail by chance; look at '
                'their logs, and run the sweep again'
            )
        elif obstacles:
            reasons[arm.name] = f"this arm's attention never trained: {obstacles[0]}"
    if plan.baseline in reasons:
        reason = f'the baseline: {reasons[plan.baseline]}'
        return dict.fromkeys((arm.name for arm in plan.arms), reason)
    return reasons


def _shared_seeds(
    finished: Mapping[str, Sequence[Run]], baseline: str
) -> Optional[dict[str, list[tuple[Any, int]]]]:
    """Return the bases and seeds of the runs by arm; ``None`` where an arm has others."""
    seeds = {arm: [(run.base, run.seed) for run in runs] for arm, runs in finished.items()}
    shared = all(set(keys) & set(seeds[baseline]) for keys in seeds.values())
    return seeds if shared else None


def summarise(plan: Plan) -> PlanSummary:
    """Return a plan as it is stored; configs as seen from the current folder."""
    arms = {
        arm.name: ArmSummary(
            config=config_name(arm.config),
            overrides=dict(arm.overrides),
            seeds=tuple(dict.fromkeys(run.seed for run in plan.runs_of(arm))),
        )
        for arm in plan.arms
    }
    return PlanSummary(
        name=plan.name,
        baseline=plan.baseline,
        seeds=plan.seeds,
        arms=arms,
        control=plan.control,
        strata=plan.strata,
        dose=plan.dose,
        severities=plan.severities,
        group_by=plan.group_by,
        n_boot=plan.n_boot,
        max_detections=plan.max_detections,
        overrides=dict(plan.overrides),
        start=None if plan.start is None else plan.start.to_plan(),
        fine_tuning=dict(plan.fine_tuning),
        question=tuple({'metric': m, 'scope': s} for m, s in plan.questions),
        delta=plan.delta,
        looks=plan.looks,
    )


def relative(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder that it is in or beside; otherwise the whole path."""
    path, folder = path.resolve(), folder.resolve()
    near = path.is_relative_to(folder.parent)
    return Path(os.path.relpath(path, folder)).as_posix() if near else str(path)


def _load(run: Run, folder: Path, annotations: Annotations, iou_type: str) -> Detections:
    """Load the detections of a run, and name their file as seen from the folder."""
    name = run.detections_of(iou_type)
    detections = load_detections(folder / name, annotations, iou_type=iou_type)
    if iou_type == 'segm':
        detections = detections.sized_by_masks()
    notes = tuple(note.replace(detections.source, name) for note in detections.notes)
    return replace(detections, source=name, notes=notes)


def _measured(
    path: Path, configs: Mapping[str, Config], baseline: str, device: str
) -> dict[str, ArmMeasurement]:
    """Measure the arms, unless the same arms were measured before."""
    stored = _read_measurements(path)
    if stored is not None and list(stored) == list(configs):
        return stored
    measured = measure_arms(configs, baseline, device=device)
    write_json(
        path,
        {
            arm: {**measurement.cost.to_dict(), 'audit': measurement.audit.to_dict()}
            for arm, measurement in measured.items()
        },
    )
    return measured


def _read_measurements(path: Path) -> Optional[dict[str, ArmMeasurement]]:
    """Return the stored measurements; ``None`` where they are absent, damaged or of version 1."""
    try:
        return {
            arm: ArmMeasurement(Cost.from_dict(entry), Audit.from_dict(entry['audit']))
            for arm, entry in read_json(path).items()
        }
    except (UserError, AttributeError, KeyError, TypeError):
        return None
