"""Collect the finished runs of a plan into one file: everything that its page shows.

``verdict.json`` is a function of the plan and of the runs: a sweep that was interrupted and one
that was not write the same. What was timed stands beside it in ``cost.json``. The schema of both is
in the README beside this file.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Callable, Optional

from mmengine.config import Config

from ..clutter import stratify, stratify_images
from ..coco import Annotations, Detections, load_annotations, load_detections
from ..comparison.compare import Comparison, compare
from ..comparison.dose_response import dose_response
from ..errors import UserError
from ..evaluation import EvaluationTask
from ..io import read_json, write_json
from .arms import differences, measure_arms
from .launch import FINISHED, detections_of, log_of
from .plan import Plan, Run

FORMAT = 'mmdet_spatialattn verdict'
VERSION = 1
COSTS = ('parameters', 'flops', 'memory')
"""Costs that are the same in every measurement; times stand in ``cost.json`` only."""


def collect(
    plan: Plan,
    folder: Path,
    configs: Mapping[str, Config],
    progress: Callable[[str], Callable[[Iterable, int], Iterable]] = lambda what: lambda x, n: x,
) -> Comparison:
    """Compare the finished runs; write ``verdict.json`` and ``cost.json`` into the folder.

    Args:
        plan: The plan.
        folder: Its folder.
        configs: The whole config of every arm.
        progress: Given a name, wraps steps, whose number it is given, to show how it goes.

    Raises:
        UserError: The baseline or all other arms have no finished run.
    """
    found = finished_runs(plan, folder)
    finished = [run for run in plan.runs if run in found.get(run.arm.name, [])]
    path, images = tested_on(configs[plan.baseline])
    files = {arm: [detections_of(run, folder) for run in runs] for arm, runs in found.items()}
    tested = _load(path, files, folder)
    options: dict[str, Any] = {'baseline': plan.baseline, 'n_boot': plan.n_boot}
    dose, group_by = None, plan.group_by
    if plan.dose:
        dose = dose_response(
            *tested, **options, field=plan.dose, group_by=group_by, progress=progress('by dose')
        ).to_json()
    if plan.severities:  # effects are those on the images as they are; each is a group of its own
        tested, group_by = _load(path, files, folder, without_clutter=True), None
    comparison = compare(
        *tested, **options, strata=plan.strata, group_by=group_by, progress=progress('comparing')
    )
    of = {arm: configs[arm] for arm in found}
    measured = _measured(folder / 'cost.json', of, plan.baseline)
    verdict = {
        'format': FORMAT,
        'version': VERSION,
        'plan': describe(plan),
        'data': {'annotations': comparison.annotations['file'], 'images': relative(images, folder)},
        'comparison': comparison.to_json(),
        'dose': dose,
        'costs': {arm: {key: cost[key] for key in COSTS} for arm, cost in measured.items()},
        'audits': {arm: cost['audit'] for arm, cost in measured.items()},
        'differences': differences(of, plan.baseline),
        'failed': [
            {'run': run.name, 'log': relative(log_of(run, folder), folder)}
            for run in plan.runs
            if run not in finished
        ],
        'environments': _environments(finished, folder),
    }
    write_json(folder / 'verdict.json', verdict)
    return comparison


def finished_runs(plan: Plan, folder: Path) -> dict[str, list[Run]]:
    """Return the finished runs by arm; arms without one are left out.

    Raises:
        UserError: The baseline or all other arms have none.
    """
    runs = [run for run in plan.runs if (folder / run.name / FINISHED).is_file()]
    found = {arm.name: [run for run in runs if run.arm == arm] for arm in plan.arms}
    found = {arm: of for arm, of in found.items() if of}
    if plan.baseline not in found or len(found) < 2:
        raise UserError(
            f'{folder}: {len(runs)} of {len(plan.runs)} runs are finished; a comparison needs '
            f"one of the baseline '{plan.baseline}' and one of another arm"
        )
    return found


def check_test_set(plan: Plan, config: Config) -> None:
    """Check that the plan's strata, doses and groups are there in the test set of a config.

    Raises:
        UserError: They are not, or the annotations cannot be read.
    """
    annotations = load_annotations(tested_on(config)[0])
    group_by = None if plan.severities else plan.group_by
    EvaluationTask(annotations, stratify(annotations, plan.strata), group_by=group_by)
    if plan.dose and not plan.severities:
        stratify_images(annotations, plan.dose)


def describe(plan: Plan) -> dict[str, Any]:
    """Return a plan as it stands in ``verdict.json``; configs as seen from the current folder."""
    here = Path.cwd()
    arms = {
        arm.name: {
            'config': str(arm.config.relative_to(here))
            if arm.config.is_relative_to(here)
            else str(arm.config),
            'overrides': dict(arm.overrides),
            'seeds': list(arm.seeds or plan.seeds),
        }
        for arm in plan.arms
    }
    return {**asdict(replace(plan, arms=())), 'seeds': list(plan.seeds), 'arms': arms}


def tested_on(config: Config) -> tuple[Path, Path]:
    """Return the annotation file and the folder of the images that a config is tested on."""
    return set_of(config.test_dataloader)


def set_of(loader: Any) -> tuple[Path, Path]:
    """Return the annotation file and the folder of the images of a data loader's config."""
    dataset = loader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    root = Path(dataset.get('data_root') or '')
    images = (dataset.get('data_prefix') or {}).get('img', '')
    return (root / dataset.ann_file).resolve(), (root / images).resolve()


def relative(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder that it is in or beside; otherwise the whole path."""
    path, folder = path.resolve(), folder.resolve()
    near = path.is_relative_to(folder.parent)
    return Path(os.path.relpath(path, folder)).as_posix() if near else str(path)


def _environments(runs: Iterable[Run], folder: Path) -> list[dict[str, Any]]:
    """Return with what the runs were finished, and which with each."""
    found: list[dict[str, Any]] = []
    for run in runs:
        environment = read_json(folder / run.name / FINISHED)['environment']
        same = [one for one in found if {**one, 'runs': []} == {**environment, 'runs': []}]
        if not same:
            found += (same := [{**environment, 'runs': []}])
        same[0]['runs'].append(run.name)
    return found


def _load(
    path: Path, files: Mapping[str, list[Path]], folder: Path, without_clutter: bool = False
) -> tuple[Annotations, dict[str, list[Detections]]]:
    """Load the test set and the detections; sources are named as seen from the folder."""
    truth: Any = path
    kept: set[int] = set()
    if without_clutter:
        truth = read_json(path)
        kept = {image['id'] for image in truth['images'] if image['severity'] == 0}
        images = [image for image in truth['images'] if image['id'] in kept]
        objects = [row for row in truth['annotations'] if row['image_id'] in kept]
        truth = {**truth, 'images': images, 'annotations': objects}
    annotations = replace(load_annotations(truth), source=relative(path, folder))

    def load(file: Path) -> Detections:
        rows: Any = file
        if without_clutter:
            rows = [row for row in read_json(file) if row['image_id'] in kept]
        found = load_detections(rows, annotations)
        name = relative(file, folder)
        notes = tuple(note.replace(found.source, name) for note in found.notes)
        return replace(found, source=name, notes=notes)

    return annotations, {arm: [load(file) for file in of] for arm, of in files.items()}


def _measured(
    path: Path, configs: Mapping[str, Config], baseline: str
) -> dict[str, dict[str, Any]]:
    """Measure the arms, unless they were measured before."""
    kept: Optional[dict] = read_json(path) if path.is_file() else None
    if kept is None or list(kept) != list(configs):
        kept = measure_arms(configs, baseline)
        write_json(path, kept)
    return kept
