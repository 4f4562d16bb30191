"""COCO's average precision and recall from matches, equal to pycocotools to the last bit."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from ..jit import jit
from .matching import IOU_THRESHOLDS, TRUE, Matches

MAX_DETECTIONS = (1, 10, 100)
"""COCO's ``maxDets``: numbers of detections of an image and class that count."""


def max_detections_up_to(largest: Any) -> tuple[int, ...]:
    """Return COCO's ``maxDets`` with another last number.

    Raises:
        UserError: It is no whole number above 10.

    Example:
        >>> max_detections_up_to(300)
        (1, 10, 300)
    """
    if type(largest) is not int or largest <= MAX_DETECTIONS[-2]:
        raise UserError(
            f'max_detections must be a number above {MAX_DETECTIONS[-2]}, got {largest!r}'
        )
    return (*MAX_DETECTIONS[:-1], largest)


RECALL_THRESHOLDS = np.linspace(0.0, 1.00, int(np.round((1.00 - 0.0) / 0.01)) + 1, endpoint=True)
"""The 101 recalls at which COCO reads the precision."""

UNDEFINED = -1.0
"""The value of a metric without objects in pycocotools."""


def count_objects(category: np.ndarray, inside: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the number of objects per scope and class, ``(scopes, classes)``."""
    return np.stack([np.bincount(category[row], minlength=n_classes) for row in inside])


def class_starts(category: np.ndarray, n_classes: int) -> np.ndarray:
    """Return where each class starts in a sorted ``category``, and its end, ``(classes + 1,)``."""
    return np.searchsorted(category, np.arange(n_classes + 1))


def precisions(
    matches: Matches, scope: int, n_objects: np.ndarray, max_detections: int
) -> np.ndarray:
    """Return the precision at every recall, ``(thresholds, 101, classes)``; -1 without objects.

    Args:
        matches: The matches of a run.
        scope: Index of the scope.
        n_objects: ``(classes,)``, the number of objects of that scope.
        max_detections: Number of detections of an image and class that count.
    """
    n_thresholds = matches.status.shape[2]
    precision = np.full((n_thresholds, len(RECALL_THRESHOLDS), len(n_objects)), UNDEFINED)
    start = class_starts(matches.category, len(n_objects))
    counted = matches.rank < max_detections
    _precisions(matches.status[scope], counted, start, n_objects, RECALL_THRESHOLDS, precision)
    return precision


@jit
def _precisions(status, counted, start, n_objects, recall_thresholds, out):  # pragma: no cover
    # The operations of pycocotools in its order: floating-point sums and products in another order
    # differ in the last bit.
    smallest = np.spacing(1.0)
    n_thresholds = status.shape[1]
    longest = (start[1:] - start[:-1]).max() if len(start) > 1 else 0
    recall, precision = np.empty(longest), np.empty(longest)
    for k in range(len(n_objects)):
        if n_objects[k] == 0:
            continue
        for t in range(n_thresholds):
            hits, misses, n = 0.0, 0.0, 0
            for d in range(start[k], start[k + 1]):
                if not counted[d] or status[d, t] == 2:
                    continue
                if status[d, t] == 1:
                    hits += 1
                else:
                    misses += 1
                recall[n] = hits / n_objects[k]
                precision[n] = hits / (misses + hits + smallest)
                n += 1
            for i in range(n - 1, 0, -1):
                if precision[i] > precision[i - 1]:
                    precision[i - 1] = precision[i]
            i = 0
            for r in range(len(recall_thresholds)):
                while i < n and recall[i] < recall_thresholds[r]:
                    i += 1
                out[t, r, k] = precision[i] if i < n else 0.0


def recalls(matches: Matches, scope: int, n_objects: np.ndarray, max_detections: int) -> np.ndarray:
    """Return the recall of all detections, ``(thresholds, classes)``; -1 without objects.

    Args:
        matches, scope, n_objects, max_detections: As for :func:`precisions`.
    """
    counted = (matches.rank < max_detections)[:, None]
    hits = (matches.status[scope] == TRUE) & counted
    n_hits = np.stack(
        [np.bincount(matches.category[row], minlength=len(n_objects)) for row in hits.T]
    )
    with np.errstate(invalid='ignore'):
        return np.where(n_objects > 0, n_hits / n_objects, UNDEFINED)


def mean_of_defined(values: np.ndarray) -> float:
    """Return the mean of the defined values, as pycocotools does; -1 if there is none."""
    # In this order: NumPy sums pairwise, and the last bit depends on the order.
    defined = values[values > UNDEFINED]
    return float(np.mean(defined)) if len(defined) else UNDEFINED


def coco_statistics(
    matches: Matches, n_objects: np.ndarray, max_detections: Sequence[int] = MAX_DETECTIONS
) -> dict[str, float]:
    """Return COCO's twelve statistics, each equal to that of pycocotools to the last bit.

    Args:
        matches: Matches whose first four scopes are: all, small, medium, large.
        n_objects: ``(scopes, classes)``.
        max_detections: COCO's ``maxDets``, rising; AP uses the last.
    """
    largest = max_detections[-1]
    by_size = dict(enumerate('sml', start=1))
    precision = precisions(matches, 0, n_objects[0], largest)
    statistics = {
        'AP': mean_of_defined(precision),
        'AP50': mean_of_defined(precision[IOU_THRESHOLDS == 0.5]),
        'AP75': mean_of_defined(precision[IOU_THRESHOLDS == 0.75]),
    }
    for scope, size in by_size.items():
        precision = precisions(matches, scope, n_objects[scope], largest)
        statistics[f'AP{size}'] = mean_of_defined(precision)
    for number in max_detections:
        recall = recalls(matches, 0, n_objects[0], number)
        statistics[f'AR{number}'] = mean_of_defined(recall)
    for scope, size in by_size.items():
        recall = recalls(matches, scope, n_objects[scope], largest)
        statistics[f'AR{size}'] = mean_of_defined(recall)
    return statistics
