"""Evaluation of one run: COCO's statistics, metrics by stratum, error types, and replicates."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Callable, Optional, Union

import numpy as np

from ..clutter.scopes import SIZES, Scope, charged_strata, members
from ..clutter.strata import StrataLike, stratify
from ..coco import (
    AnnotationSource,
    Detections,
    DetectionSource,
    load_annotations,
    load_detections,
)
from ..processors import count_processors
from ..results import OVERALL, Evaluation, Refused
from ..results.estimates import Metrics
from .curves import CurveKey, precision_curves
from .error_types import find_errors
from .jaccard import best_jaccard, jaccard_by_image
from .matching import Matches, match
from .metrics import MAX_DETECTIONS, UNDEFINED, coco_statistics, count_objects
from .replicates import bundle_curves, mean_over_thresholds, precision_lift, scope_replicates
from .resampling import Statistic, n_blocks, no_step, resample
from .task import EvaluationTask

_SIZE_OF_METRIC = {f'{metric}{size[0]}': size for metric in ('AP', 'AR') for size in SIZES}


@dataclass(frozen=True, eq=False)
class RunEvaluation:
    """The evaluation of one run, with the replicates that a comparison needs.

    Attributes:
        evaluation: The result, to be shown and stored.
        replicates: ``(1 + B,)`` of every metric in every scope: the observed value, followed by its
            bootstrap replicates; NaN where undefined.
        class_precisions: ``(K, 1 + B)``, the same of the AP of every class on all objects; empty
            where there is one class only.
    """

    evaluation: Evaluation
    replicates: dict[CurveKey, np.ndarray]
    class_precisions: np.ndarray


def evaluate(
    annotations: AnnotationSource,
    detections: DetectionSource,
    *,
    strata: StrataLike = 'cover',
    iou_type: str = 'bbox',
    max_detections: tuple[int, ...] = MAX_DETECTIONS,
    engine: str = 'auto',
) -> Evaluation:
    """Evaluate one run, overall and in every stratum.

    Args:
        annotations: A COCO annotation file, its content, or loaded annotations.
        detections: A file of detections, its content, or loaded detections.
        strata: A rule such as ``'cover:0.1,0.3'`` (see
            :meth:`~mmdet_spatialattn.clutter.Strata.parse`), or objects that are sorted already.
        iou_type: ``'bbox'`` or ``'segm'``.
        max_detections: COCO's ``maxDets``, rising.
        engine: Matching backend: ``'auto'``, ``'compiled'``, or ``'pycocotools'``, the slow
            reference.

    Raises:
        UserError: A file is broken, or the two do not belong together.

    Example:
        >>> annotations = {
        ...     'images': [{'id': 1}],
        ...     'categories': [{'id': 1, 'name': 'cell'}],
        ...     'annotations': [
        ...         {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 10, 10]},
        ...         {'id': 2, 'image_id': 1, 'category_id': 1, 'bbox': [5, 0, 10, 10]},
        ...     ],
        ... }
        >>> detections = [{'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 10, 10], 'score': 0.9}]
        >>> evaluate(annotations, detections).metrics['crowded']['AR100']
        0.5
    """
    loaded = load_annotations(annotations)
    task = EvaluationTask(
        loaded, stratify(loaded, strata), iou_type, tuple(max_detections), engine
    )  # fmt: skip
    with ThreadPoolExecutor(count_processors()) as pool:
        run = load_detections(detections, loaded, iou_type=iou_type)
        return evaluate_run(task, run, map_fn=pool.map).evaluation


def evaluate_run(
    task: EvaluationTask,
    detections: Detections,
    *,
    n_boot: int = 0,
    seed: int = 0,
    map_fn: Callable = map,
    on_step: Callable[[], None] = no_step,
) -> RunEvaluation:
    """Evaluate one run, with bootstrap replicates of every metric.

    Args:
        task: What to evaluate on; all runs with the same ``seed`` have the same replicates.
        detections: The detections of the run.
        n_boot: Number of replicates.
        seed: Seed of the bootstrap.
        map_fn: Maps a function over parts of the work; the results do not depend on it.
        on_step: Called after every step, ``n_steps(n_boot)`` times.
    """
    annotations = task.annotations
    charged = charged_strata(annotations, detections, task.strata)
    countable = members(task.scopes, detections.area, charged)
    matches = _match(task, detections, task.inside, countable, map_fn)
    on_step()
    named_scopes = list(task.named_scopes.values())
    rows = [task.scopes.index(scope) for scope in named_scopes]
    errors_by_row = find_errors(annotations, detections, matches, task.inside, rows, map_fn)
    errors = dict(zip(named_scopes, errors_by_row))
    bundles = bundle_curves(task, matches, errors, countable[0], map_fn)
    statistics: dict[Union[Scope, str], Statistic] = {
        scope: bundle.resample for scope, bundle in bundles.items()
    }
    if len(annotations.category_ids) == 1:
        by_image = jaccard_by_image(annotations, detections, matches, task.strata, charged, map_fn)
        statistics['JI'] = partial(best_jaccard, by_image)
    else:
        curves = precision_curves(annotations, matches, Scope(), 0, task.inside[0]).build()
        statistics['classes'] = curves.resample_classes
    on_step()
    values = resample(
        statistics, task.groups, n_boot=n_boot, seed=seed, map_fn=map_fn, on_step=on_step
    )
    replicates: dict[CurveKey, np.ndarray] = {}
    for scope, bundle in bundles.items():
        replicates |= scope_replicates(bundle, scope, values[scope], task.max_detections[-1])
    if 'JI' in values:
        for scope, index in zip(named_scopes, values['JI']):
            replicates[CurveKey(scope, 'JI')] = index
    overall_ap = replicates[CurveKey(Scope(), 'AP')][0]
    lift = precision_lift(task, bundles[Scope()], overall_ap, map_fn)
    evaluation = Evaluation(
        source=detections.source,
        strata=task.describe_strata(),
        metrics=_metrics(task, matches, replicates, lift),
        errors={name: errors[scope].count() for name, scope in task.named_scopes.items()},
        notes=tuple(_notes(task, detections, matches)),
    )
    class_precisions = values.get('classes', np.empty((0, 1 + n_boot)))
    return RunEvaluation(evaluation, replicates, class_precisions)


def n_steps(n_boot: int) -> int:
    """Return how often :func:`evaluate_run` and :func:`average_precisions` call ``on_step``."""
    return 2 + n_blocks(n_boot)


@dataclass(frozen=True, eq=False)
class StratumPrecisions:
    """The AP of one run in every stratum.

    Attributes:
        source: Where the detections came from.
        values: ``(strata, 1 + B)``: the observed value, followed by its bootstrap replicates; NaN
            where undefined.
        notes: What a user should know, one sentence each.
    """

    source: str
    values: np.ndarray
    notes: tuple[str, ...]


def average_precisions(
    task: EvaluationTask,
    detections: Detections,
    *,
    n_boot: int = 0,
    seed: int = 0,
    map_fn: Callable = map,
    on_step: Callable[[], None] = no_step,
) -> StratumPrecisions:
    """Evaluate the AP of one run in every stratum, with bootstrap replicates.

    The values are equal to those of :func:`evaluate_run`, which takes the same arguments; it is
    faster because it computes nothing else.
    """
    scopes = [Scope(s) for s in range(len(task.strata.names))]
    inside = task.inside[[task.scopes.index(scope) for scope in scopes]]
    charged = charged_strata(task.annotations, detections, task.strata)
    countable = members(scopes, detections.area, charged)
    matches = _match(task, detections, inside, countable, map_fn)
    on_step()
    bundles = {
        scope: precision_curves(task.annotations, matches, scope, row, inside[row]).build()
        for row, scope in enumerate(scopes)
    }
    on_step()
    values = resample(
        {scope: bundle.resample for scope, bundle in bundles.items()},
        task.groups,
        n_boot=n_boot,
        seed=seed,
        map_fn=map_fn,
        on_step=on_step,
    )
    return StratumPrecisions(
        source=detections.source,
        values=np.stack(
            [mean_over_thresholds(bundle, values[s][0]) for s, bundle in bundles.items()]
        ),
        notes=tuple(_notes(task, detections, matches)),
    )


def _match(
    task: EvaluationTask,
    detections: Detections,
    inside: np.ndarray,
    countable: np.ndarray,
    map_fn: Callable,
) -> Matches:
    return match(
        task.annotations,
        detections,
        inside,
        countable,
        max_detections=task.max_detections[-1],
        engine=task.engine,
        map_fn=map_fn,
    )


def _metrics(
    task: EvaluationTask,
    matches: Matches,
    replicates: dict[CurveKey, np.ndarray],
    lift: np.ndarray,
) -> dict[str, Metrics]:
    """Return the observed metrics of every named scope.

    Args:
        task: What was evaluated on.
        matches: The matches of the run.
        replicates: As in :class:`RunEvaluation`.
        lift: ``(strata,)``, by how much AP rises because a stratum has few objects.
    """
    annotations = task.annotations
    n_objects = count_objects(annotations.category, task.inside, len(annotations.category_ids))
    statistics = coco_statistics(matches, n_objects, task.max_detections)
    coco_metrics = {
        name: _no_objects(_SIZE_OF_METRIC.get(name)) if value == UNDEFINED else value
        for name, value in statistics.items()
    }
    metrics: dict[str, Metrics] = {
        name: {
            key.metric: _no_objects() if np.isnan(row[0]) else float(row[0])
            for key, row in replicates.items()
            if key.scope == scope and key.error is None
        }
        for name, scope in task.named_scopes.items()
    }
    others = {name: v for name, v in metrics[OVERALL].items() if name not in coco_metrics}
    metrics[OVERALL] = {**coco_metrics, **others}
    for name, value in zip(task.strata.names, lift.tolist()):
        metrics[name]['AP_lift'] = _no_objects() if np.isnan(value) else value
    return metrics


def _no_objects(size: Optional[str] = None) -> Refused:
    return Refused(f'no {size} objects' if size else 'no objects')


def _notes(task: EvaluationTask, detections: Detections, matches: Matches) -> Iterator[str]:
    yield from detections.notes
    cap = task.max_detections[-1]
    full = len(np.unique(matches.image[matches.rank == cap - 1]))
    if full:
        excess = len(detections) - len(matches.order)
        beyond = (
            f'{excess} detections beyond it are not counted; raise max_detections '
            '(--max-detections) to count them'
            if excess
            else "the detector's own limit (max_per_img) may have cut off others"
        )
        yield (
            f'{detections.source}: {full} images reach the cap of {cap} detections of a class; '
            f'{beyond}'
        )
