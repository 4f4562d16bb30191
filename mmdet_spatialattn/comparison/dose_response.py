"""What clutter does to a detector when the objects stay the same: AP by dose.

Clutter scenes hold every scene at several levels, and injection writes a set at several severities:
a field of the images says how much clutter an image got, its *dose*. The AP at a dose is that of
its images alone. As with corruptions (Michaelis et al. 2019, https://arxiv.org/abs/1907.07484)
``mPC``, the mean performance under clutter, is the mean AP over all doses but the first, and
``rPC`` its ratio to the AP at the first.
"""

from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np

from ..clutter import Scope, image_numbers, stratify_images
from ..coco import AnnotationSource, load_annotations
from ..evaluation import (
    MAX_DETECTIONS,
    EvaluationTask,
    StratumPrecisions,
    average_precisions,
)
from ..processors import Progress, silent
from ..results import (
    DoseArm,
    DoseCurve,
    DoseEffect,
    DoseResponse,
    DoseRun,
    DoseSettings,
    Refused,
)
from ..results.estimates import EstimateOrRefused, IntervalOrRefused, Number
from .effects import RunKeys, Runs, Seeds, effects, refused_alike
from .inference import LEVEL, average
from .runs import Arms, check_arms, check_seeds, evaluate_arms, join_alike, notes_on_runs

N_SUMMARIES = 2
"""Columns behind the doses: mPC and rPC."""


def dose_response(
    annotations: AnnotationSource,
    arms: Arms,
    *,
    baseline: Optional[str] = None,
    field: str = 'level',
    n_boot: int = 1000,
    seed: int = 0,
    iou_type: str = 'bbox',
    max_detections: tuple[int, ...] = MAX_DETECTIONS,
    group_by: Optional[str] = None,
    seeds: Optional[Seeds] = None,
    engine: str = 'auto',
    threads: Optional[int] = None,
    progress: Progress = silent,
) -> DoseResponse:
    """Measure how the AP of arms falls with clutter, and whether one arm loses less than another.

    Args:
        annotations: A COCO annotation file, its content, or loaded annotations.
        arms: By arm, the detections of its runs, one per training seed; one arm is enough.
        baseline: The arm that the others are compared with; the first by default.
        field: The field of the file's images that holds the dose, a number.
        n_boot: Number of bootstrap replicates.
        seed: Seed of the bootstrap.
        iou_type: ``'bbox'`` or ``'segm'``.
        max_detections: COCO's ``maxDets``, rising.
        group_by: A field of the file's images: those with the same value are resampled together.
            For clutter scenes it is ``'scene'``, as a scene is there at every level.
        seeds: By arm, the training seed of every run, or the seed of its base and its own. Runs
            are then compared seed by seed, as :func:`compare` does.
        engine: Matching backend: ``'auto'``, ``'compiled'``, or ``'pycocotools'``, the slow
            reference.
        threads: Number of threads; one per processor by default.
        progress: Wraps the steps, whose number it is given, to show progress.

    Raises:
        UserError: A file is broken or does not belong to the annotations; an image lacks one of
            the fields, or the dose is not a number; an arm has no run or the same run twice; the
            seeds are not one per run, or an arm shares none with the baseline.

    Example:
        >>> images = [{'id': i, 'level': i % 2} for i in range(40)]
        >>> box = {'category_id': 1, 'bbox': [0, 0, 10, 10]}
        >>> annotations = {
        ...     'images': images,
        ...     'categories': [{'id': 1, 'name': 'cell'}],
        ...     'annotations': [{'id': i + 1, 'image_id': i // 2, **box} for i in range(80)],
        ... }
        >>> detections = [{'image_id': i, 'score': 0.9, **box} for i in range(40)]
        >>> dose_response(annotations, {'a': [detections]}, n_boot=100).doses
        (0, 1)
    """
    checked, baseline = check_arms(arms, baseline=baseline, n_boot=n_boot, at_least=1)
    truth = load_annotations(annotations)
    strata, doses_of_images = stratify_images(truth, field), image_numbers(truth, field)
    keys = check_seeds(seeds, {arm: len(runs) for arm, runs in checked.items()}, baseline)
    task = EvaluationTask(
        truth,
        strata,
        iou_type=iou_type,
        max_detections=tuple(sorted(max_detections)),
        engine=engine,
        group_by=group_by,
    )
    runs = evaluate_arms(
        average_precisions,
        task,
        checked,
        n_boot=n_boot,
        seed=seed,
        threads=threads,
        progress=progress,
    )
    columns = _Columns(task)
    values = {
        arm: _with_summaries(np.stack([run.values for run in results]))
        for arm, results in runs.items()
    }
    by_arm = columns.effects(values, baseline, keys)
    doses = sorted(set(doses_of_images))
    return DoseResponse(
        field=field,
        doses=tuple(doses),
        images=tuple(doses_of_images.count(dose) for dose in doses),
        objects=tuple(task.counts[Scope(s)].objects for s in range(len(doses))),
        arms={arm: _arm(columns, table, runs[arm]) for arm, table in values.items()},
        effects={arm: DoseEffect(tuple(row[:-2]), row[-2], row[-1]) for arm, row in by_arm.items()},
        settings=DoseSettings(
            file=truth.source,
            baseline=baseline,
            iou_type=iou_type,
            engine=engine,
            n_boot=n_boot,
            seed=seed,
            level=LEVEL,
            group_by=group_by,
        ),
        notes=_notes(task, columns, runs),
    )


class _Columns:
    """The doses, mPC and rPC: how many units each rests on, or why nothing is concluded from it."""

    def __init__(self, task: EvaluationTask) -> None:
        scopes = [Scope(s) for s in range(len(task.strata.names))]
        refusals = [task.refusal(scope) for scope in scopes]
        any_refusal = next((refusal for refusal in refusals if refusal is not None), None)
        n_units = [task.counts[scope].units for scope in scopes]
        self.n_units = [*n_units, *[min(n_units)] * N_SUMMARIES]
        self.refusals: list[Optional[Refused]] = [*refusals, *[any_refusal] * N_SUMMARIES]

    def effects(
        self, values: Mapping[str, np.ndarray], baseline: str, keys: Optional[RunKeys]
    ) -> dict[str, list[EstimateOrRefused]]:
        """Return the effects of all arms in every column; ``(K, columns, 1 + B)`` each.

        The AP of all arms and doses is one family, and so are mPC and rPC of all arms.
        """
        others = [arm for arm in values if arm != baseline]
        n_doses = len(self.n_units) - N_SUMMARIES
        by_column = []
        for c, (n, refusal) in enumerate(zip(self.n_units, self.refusals)):
            runs = {
                arm: Runs(table[:, c], None if keys is None else keys[arm])
                for arm, table in values.items()
            }
            base = runs.pop(baseline)
            by_column.append(
                refused_alike(others, refusal)
                if refusal
                else effects(
                    runs,
                    base,
                    n,
                    paired=keys is not None,
                    n_questions=n_doses if c < n_doses else 1,
                )
            )
        return {arm: [column[arm] for column in by_column] for arm in others}

    def averages(self, arm: np.ndarray) -> list[IntervalOrRefused]:
        """Return the mean over the runs in every column."""
        return [
            refusal or average(arm[:, c], n)
            for c, (n, refusal) in enumerate(zip(self.n_units, self.refusals))
        ]


def _with_summaries(ap: np.ndarray) -> np.ndarray:
    """Append mPC and rPC to the AP by dose: ``(K, D, 1 + B)`` to ``(K, D + 2, 1 + B)``."""
    mean = ap[:, 1:].mean(axis=1, keepdims=True)
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.concatenate([ap, mean, mean / ap[:, :1]], axis=1)


def _arm(columns: _Columns, values: np.ndarray, runs: Sequence[StratumPrecisions]) -> DoseArm:
    means = columns.averages(values)
    return DoseArm(
        mean=DoseCurve(tuple(means[:-2]), means[-2], means[-1]),
        runs=tuple(_run(run.source, observed) for run, observed in zip(runs, values[..., 0])),
    )


def _run(source: str, observed: np.ndarray) -> DoseRun:
    numbers = [_number(value) for value in observed]
    return DoseRun(source, tuple(numbers[:-2]), numbers[-2], numbers[-1])


def _number(value: float) -> Number:
    return float(value) if np.isfinite(value) else Refused('no objects, or an AP of 0 at first')


def _notes(
    task: EvaluationTask, columns: _Columns, runs: dict[str, list[StratumPrecisions]]
) -> tuple[str, ...]:
    refusals = [refusal for refusal in columns.refusals if refusal is not None]
    notes = [
        *task.notes,
        *(f'nothing is concluded from {refusal}' for refusal in refusals),
        *join_alike(note for results in runs.values() for run in results for note in run.notes),
        *notes_on_runs({arm: len(results) for arm, results in runs.items()}),
    ]
    return tuple(dict.fromkeys(notes))
