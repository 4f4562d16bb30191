"""Bootstrap replicates of the metrics of one run, from the curves of every scope."""

from collections.abc import Mapping
from typing import Callable

import numpy as np

from ..clutter.scopes import Scope
from .curve_kernel import LANES
from .curves import CurveBuilder, CurveBundle, CurveKey, add_miss_rate, precision_curves
from .error_types import Errors
from .matching import Matches
from .task import EvaluationTask

ERROR_METRIC = 'dAP50'
"""Metric of a :class:`CurveKey` with an error type: AP50 gained if there were no such error."""

LIFT_SLICES = 2 * LANES
"""Number of random slices of the images that tell how much AP rises in a small stratum."""


def bundle_curves(
    task: EvaluationTask,
    matches: Matches,
    errors: Mapping[Scope, Errors],
    countable: np.ndarray,
    map_fn: Callable,
) -> dict[Scope, CurveBundle]:
    """Return the curves of every scope; miss rates are among those of all objects.

    Args:
        task: What to evaluate on.
        matches: The matches of the run.
        errors: The errors by scope, for the scopes that have error types and a miss rate.
        countable: ``(detections,)`` bool, whether each counts as false overall without a match.
        map_fn: Maps a function over the scopes.
    """
    builders = [
        precision_curves(task.annotations, matches, scope, row, task.inside[row], errors.get(scope))
        for row, scope in enumerate(task.scopes)
    ]
    overall = builders[task.scopes.index(Scope())]
    for row, scope in enumerate(task.scopes):
        if scope in errors:
            add_miss_rate(overall, scope, row, task.inside[row], countable[matches.order])
    return dict(zip(task.scopes, map_fn(CurveBuilder.build, builders)))


def scope_replicates(
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
        CurveKey(scope, 'AP'): mean_over_thresholds(bundle, values[0]),
        CurveKey(scope, 'AP50'): ap50,
        CurveKey(scope, 'AP75'): curves[CurveKey(scope, 'AP', 0.75)],
        CurveKey(scope, f'AR{max_detections}'): mean_over_thresholds(bundle, values[1]),
    }
    for key, row in curves.items():
        if key.error is not None:
            replicates[CurveKey(scope, ERROR_METRIC, error=key.error)] = row - ap50
        elif key.threshold is None:
            replicates[key] = row
    return replicates


def mean_over_thresholds(bundle: CurveBundle, values: np.ndarray) -> np.ndarray:
    """Average the curves at COCO's ten IoU thresholds, ``(C, ...)`` to ``(...)``."""
    rows = [key.threshold is not None and key.error is None for key in bundle.keys]
    return values[rows].mean(axis=0)


def precision_lift(
    task: EvaluationTask, bundle: CurveBundle, ap: float, map_fn: Callable
) -> np.ndarray:
    """Return by how much AP rises merely because a stratum has few objects, ``(strata,)``.

    It is the mean AP of random slices of the images that hold as many objects, minus the overall
    AP; NaN if no slice holds an object.

    Args:
        task: What to evaluate on.
        bundle: The curves of all objects.
        ap: Overall AP.
        map_fn: Maps a function over blocks of slices.
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
        return mean_over_thresholds(bundle, metrics)

    blocks = [(s, b) for s in range(len(shares)) for b in range(LIFT_SLICES // LANES)]
    precisions = np.array(list(map_fn(slice_precisions, blocks))).reshape(len(shares), -1)
    defined = ~np.isnan(precisions)
    with np.errstate(invalid='ignore'):
        means = np.where(defined, precisions, 0).sum(axis=1) / defined.sum(axis=1)
    return means - ap
