"""COCO's average precision and recall from matches, equal to pycocotools to the last bit."""

from collections.abc import Sequence

import numpy as np

from ..jit import jit
from .matching import IOU_THRESHOLDS, TRUE, Matches

RECALL_THRESHOLDS = np.linspace(0.0, 1.00, int(np.round((1.00 - 0.0) / 0.01)) + 1, endpoint=True)
"""The 101 recalls at which COCO reads the precision."""

UNDEFINED = -1.0
"""What pycocotools gives for a metric of no object."""


def count_objects(category: np.ndarray, inside: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the number of objects per scope and class, ``(scopes, classes)``."""
    return np.stack([np.bincount(category[row], minlength=n_classes) for row in inside])


def class_starts(category: np.ndarray, n_classes: int) -> np.ndarray:
    """Return where each class starts in sorted ``category``, and the end, ``(classes + 1,)``."""
    return np.searchsorted(category, np.arange(n_classes + 1))


def precisions(matches: Matches, scope: int, n_objects: np.ndarray, cap: int) -> np.ndarray:
    """Return the precision at every recall, ``(thresholds, 101, classes)``; -1 without objects.

    Args:
        matches: All detections of a run.
        scope: Which scope.
        n_objects: ``(classes,)``, the objects of that scope.
        cap: Only the first so many detections of an image and class count.
    """
    n_thresholds = matches.status.shape[2]
    out = np.full((n_thresholds, len(RECALL_THRESHOLDS), len(n_objects)), UNDEFINED)
    start = class_starts(matches.category, len(n_objects))
    _precisions(matches.status[scope], matches.rank < cap, start, n_objects, RECALL_THRESHOLDS, out)
    return out


@jit
def _precisions(status, used, start, n_objects, recalls, out):  # pragma: no cover
    # One operation after the other as pycocotools does them: sums and products of floating-point
    # numbers in another order differ in the last bit.
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
                if not used[d] or status[d, t] == 2:
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
            for r in range(len(recalls)):
                while i < n and recall[i] < recalls[r]:
                    i += 1
                out[t, r, k] = precision[i] if i < n else 0.0


def recalls(matches: Matches, scope: int, n_objects: np.ndarray, cap: int) -> np.ndarray:
    """Return the recall of all detections, ``(thresholds, classes)``; -1 without objects."""
    hit = (matches.status[scope] == TRUE) & (matches.rank < cap)[:, None]
    found = np.stack(
        [np.bincount(matches.category[h], minlength=len(n_objects)) for h in hit.T]
    )  # fmt: skip
    with np.errstate(invalid='ignore'):
        return np.where(n_objects > 0, found / n_objects, UNDEFINED)


def mean_of_defined(values: np.ndarray) -> float:
    """Average what is defined, as pycocotools does; -1 when nothing is."""
    # In this order: NumPy sums pairwise, and the last bit depends on the order.
    defined = values[values > UNDEFINED]
    return float(np.mean(defined)) if len(defined) else UNDEFINED


def coco_statistics(
    matches: Matches, n_objects: np.ndarray, caps: Sequence[int] = (1, 10, 100)
) -> dict[str, float]:
    """Return COCO's twelve numbers, each equal to pycocotools' to the last bit.

    Args:
        matches: Matches whose first four scopes are: all, small, medium, large.
        n_objects: ``(scopes, classes)``.
        caps: COCO's ``maxDets``, rising; AP is that of the last.
    """
    statistics: dict[str, float] = {}
    for scope, suffix in enumerate(('', 's', 'm', 'l')):
        found = precisions(matches, scope, n_objects[scope], caps[-1])
        statistics[f'AP{suffix}'] = mean_of_defined(found)
        if not suffix:
            statistics['AP50'] = mean_of_defined(found[IOU_THRESHOLDS == 0.5])
            statistics['AP75'] = mean_of_defined(found[IOU_THRESHOLDS == 0.75])
    for cap in caps:
        statistics[f'AR{cap}'] = mean_of_defined(recalls(matches, 0, n_objects[0], cap))
    for scope, suffix in enumerate('sml', start=1):
        statistics[f'AR{suffix}'] = mean_of_defined(
            recalls(matches, scope, n_objects[scope], caps[-1])
        )
    order = ['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', *(f'AR{cap}' for cap in caps)]
    return {name: statistics[name] for name in [*order, 'ARs', 'ARm', 'ARl']}
