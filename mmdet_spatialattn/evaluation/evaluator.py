"""Evaluation of one run: COCO's statistics, metrics by stratum, error types, and replicates."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Callable, Union

import numpy as np

from ..clutter.scopes import Scope, charged_strata, members
from ..clutter.strata import StrataLike, stratify
from ..coco import (
    AnnotationSource,
    Detections,
    DetectionSource,
    load_annotations,
    load_detections,
)
from ..processors import count_processors
from .curve_kernel import LANES
from .curves import CurveBuilder, CurveBundle, CurveKey, add_miss_rate, precision_curves
from .error_types import Errors, find_errors
from .jaccard import best_jaccard, jaccard_by_image
from .matching import Matches, match
from .metrics import MAX_DETECTIONS, coco_statistics, count_objects
from .resampling import Statistic, n_blocks, no_step, resample
from .task import EvaluationTask

ERROR_METRIC = 'dAP50'
"""Metric of a :class:`CurveKey` with an error type: AP50 gained if there were no such error."""

LIFT_SLICES = 2 * LANES
"""Number of random slices of the images that tell how much AP rises in a small stratum."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One run against one set of annotations.

    Attributes:
        source: Where the detections came from.
        overall: COCO's twelve statistics, equal to pycocotools' to the last bit (-1 where
            undefined); ``MR``, the log-average miss rate MR^-2; with one class ``JI``.
        strata: By name of the stratum the numbers of ``objects`` and ``images``; ``AP``, ``AP50``,
            ``AP75``, ``AR<max detections>``, ``MR``, with one class ``JI``; and ``AP_lift``, by how
            much the AP of random images that hold as many objects exceeds the overall AP, merely
            because they are fewer. NaN where undefined.
        error_counts: Number of errors of each type, by scope.
        replicates: ``(1 + B,)`` of each metric in each scope: the observed value, followed by its
            bootstrap replicates.
        notes: What a user should know, one sentence each.
    """

    source: str
    overall: dict[str, float]
    strata: dict[str, dict[str, float]]
    error_counts: dict[str, dict[str, int]]
    replicates: dict[CurveKey, np.ndarray]
    notes: tuple[str, ...] = ()


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
        >>> evaluate(annotations, detections).strata['crowded']['AR100']
        0.5
    """
    loaded = load_annotations(annotations)
    task = EvaluationTask(
        loaded, stratify(loaded, strata), iou_type, tuple(max_detections), engine
    )  # fmt: skip
    with ThreadPoolExecutor(count_processors()) as pool:
        run = load_detections(detections, loaded, iou_type=iou_type)
        return evaluate_run(task, run, map_fn=pool.map)


def evaluate_run(
    task: EvaluationTask,
    detections: Detections,
    *,
    n_boot: int = 0,
    seed: int = 0,
    map_fn: Callable = map,
    on_step: Callable[[], None] = no_step,
) -> Evaluation:
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
    matches = match(
        annotations,
        detections,
        task.inside,
        countable,
        max_detections=task.max_detections[-1],
        engine=task.engine,
        map_fn=map_fn,
    )
    on_step()
    named_rows = [task.scopes.index(scope) for scope in task.named_scopes.values()]
    errors = dict(
        zip(
            named_rows,
            find_errors(annotations, detections, matches, task.inside, named_rows, map_fn),
        )
    )
    bundles = _bundle_curves(task, matches, errors, countable[0], map_fn)
    statistics: dict[Union[Scope, str], Statistic] = {
        scope: bundle.resample for scope, bundle in bundles.items()
    }
    if len(annotations.category_ids) == 1:
        indices = jaccard_by_image(
            annotations, detections, matches, task.strata, charged, map_fn
        )  # fmt: skip
        statistics['JI'] = partial(best_jaccard, indices)
    on_step()
    values = resample(
        statistics, task.groups, n_boot=n_boot, seed=seed, map_fn=map_fn, on_step=on_step
    )
    replicates: dict[CurveKey, np.ndarray] = {}
    for scope, bundle in bundles.items():
        replicates |= _scope_replicates(bundle, scope, values[scope], task.max_detections[-1])
    if 'JI' in values:
        for scope, row in zip(task.named_scopes.values(), values['JI']):
            replicates[CurveKey(scope, 'JI')] = row

    n_objects = count_objects(annotations.category, task.inside, len(annotations.category_ids))
    lift = _lift(task, bundles[Scope()], replicates[CurveKey(Scope(), 'AP')][0], map_fn)
    observed = {
        name: {
            key.metric: float(row[0])
            for key, row in replicates.items()
            if key.scope == scope and key.error is None
        }
        for name, scope in task.named_scopes.items()
    }
    overall = coco_statistics(matches, n_objects, task.max_detections)
    for name, value in observed.pop('overall').items():
        overall.setdefault(name, value)
    return Evaluation(
        source=detections.source,
        overall=overall,
        strata={
            name: {
                'objects': task.counts[task.named_scopes[name]].objects,
                'images': task.counts[task.named_scopes[name]].images,
                **metrics,
                'AP_lift': lift[s],
            }
            for s, (name, metrics) in enumerate(observed.items())
        },
        error_counts={
            name: found.count() for name, found in zip(task.named_scopes, errors.values())
        },
        replicates=replicates,
        notes=tuple(_notes(task, detections, matches)),
    )


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
    matches = match(
        task.annotations,
        detections,
        inside,
        members(scopes, detections.area, charged),
        max_detections=task.max_detections[-1],
        engine=task.engine,
        map_fn=map_fn,
    )
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
            [_mean_over_thresholds(bundle, values[s][0]) for s, bundle in bundles.items()]
        ),
        notes=tuple(_notes(task, detections, matches)),
    )


def _bundle_curves(
    task: EvaluationTask,
    matches: Matches,
    errors: dict[int, Errors],
    countable: np.ndarray,
    map_fn: Callable,
) -> dict[Scope, CurveBundle]:
    """Return the curves of every scope; miss rates are among those of all objects.

    Args:
        task: What to evaluate on.
        matches: The matches of the run.
        errors: The errors in a scope, by its row.
        countable: ``(detections,)`` bool, whether each counts as false overall without a match.
        map_fn: As for :func:`evaluate_run`.
    """
    builders = [
        precision_curves(task.annotations, matches, scope, row, task.inside[row], errors.get(row))
        for row, scope in enumerate(task.scopes)
    ]
    for row in errors:
        add_miss_rate(
            builders[0], task.scopes[row], row, task.inside[row], countable[matches.order]
        )
    return dict(zip(task.scopes, map_fn(CurveBuilder.build, builders)))


def _scope_replicates(
    bundle: CurveBundle, scope: Scope, values: np.ndarray, max_detections: int
) -> dict[CurveKey, np.ndarray]:
    """Return the metrics that the curves of a scope hold, each ``(1 + B,)``.

    Args:
        bundle: The curves.
        scope: Their scope.
        values: ``(2, C, 1 + B)``, metric and recall of every curve.
        max_detections: Number of detections of an image and class that count.
    """
    curves = dict(zip(bundle.keys, values[0]))
    ap50 = curves[CurveKey(scope, 'AP', 0.5)]
    replicates = {
        CurveKey(scope, 'AP'): _mean_over_thresholds(bundle, values[0]),
        CurveKey(scope, 'AP50'): ap50,
        CurveKey(scope, 'AP75'): curves[CurveKey(scope, 'AP', 0.75)],
        CurveKey(scope, f'AR{max_detections}'): _mean_over_thresholds(bundle, values[1]),
    }
    for key, row in curves.items():
        if key.error is not None:
            replicates[CurveKey(scope, ERROR_METRIC, error=key.error)] = row - ap50
        elif key.threshold is None:
            replicates[key] = row
    return replicates


def _mean_over_thresholds(bundle: CurveBundle, values: np.ndarray) -> np.ndarray:
    """Average the curves at COCO's ten IoU thresholds, ``(C, ...)`` to ``(...)``."""
    rows = [key.threshold is not None and key.error is None for key in bundle.keys]
    return values[rows].mean(axis=0)


def _lift(task: EvaluationTask, bundle: CurveBundle, ap: float, map_fn: Callable) -> list[float]:
    """Return by how much AP rises merely because a stratum has fewer objects, for each stratum.

    Args:
        task: What to evaluate on.
        bundle: The curves of all objects.
        ap: Overall AP.
        map_fn: As for :func:`evaluate_run`.
    """
    overall, *strata = (task.counts[scope].objects for scope in task.named_scopes.values())
    shares = [n_objects / max(overall, 1) for n_objects in strata]

    def slice_precisions(stratum_and_block: tuple[int, int]) -> np.ndarray:
        stratum, block = stratum_and_block
        rng = np.random.default_rng([1, stratum, block])
        taken = [
            rng.permutation(task.n_images) < shares[stratum] * task.n_images for _ in range(LANES)
        ]
        metrics, _ = bundle.resample(np.stack(taken, axis=1).astype(np.int32))
        return _mean_over_thresholds(bundle, metrics)

    blocks = [(s, b) for s in range(len(shares)) for b in range(LIFT_SLICES // LANES)]
    precisions = np.array(list(map_fn(slice_precisions, blocks))).reshape(len(shares), -1)
    defined = ~np.isnan(precisions)
    with np.errstate(invalid='ignore'):
        means = np.where(defined, precisions, 0).sum(axis=1) / defined.sum(axis=1)
    return (means - ap).tolist()


def _notes(task: EvaluationTask, detections: Detections, matches: Matches) -> Iterator[str]:
    yield from detections.notes
    cap = task.max_detections[-1]
    full = len(np.unique(matches.image[matches.rank == cap - 1]))
    if full:
        excess = len(detections) - len(matches.order)
        yield (
            f'{detections.source}: {full} images reach the cap of {cap} detections of a class; '
            f'{excess} detections beyond it are not counted (COCO counts no more; raise '
            'max_detections to count them)'
        )
