"""Curves as flat arrays, and the compiled loop that computes their metrics in 16 replicates.

In a bootstrap replicate image ``i`` occurs ``w[i]`` times. The matches stay those of the original
data: the precision at a true detection needs the number of detections before it, each counted ``w``
times. A replicate is therefore one running sum over the detections and a few operations at each
true detection. Sixteen replicates are computed side by side in the vector registers of a processor.

A curve consists of *events* along the *entries*, which are the detections that count in a scope, by
falling score. An event is a true detection, or a correction of the number of detections, because
some entries are ignored at the IoU threshold of the curve. Every class has its own part of each
array.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from ..jit import jit

LANES = 16
"""Number of replicates computed at once."""

FPPI = np.logspace(-2, 0, 9)
"""Numbers of false detections per image at which MR^-2 reads the miss rate."""


class Entries(NamedTuple):
    """The detections that count in a scope, by class and falling score.

    Attributes:
        image: ``(entries,)`` int32.
        error: ``(entries,)`` uint8, the code of each entry's error type; 0 for no error.
        start: ``(classes + 1,)``, where each class starts.
    """

    image: np.ndarray
    error: np.ndarray
    start: np.ndarray


class Marks(NamedTuple):
    """Positions along the entries at which events need the running sums.

    Attributes:
        position: ``(marks,)`` int32, number of entries of the class before each mark, rising.
        start: ``(classes + 1,)``, where each class starts.
    """

    position: np.ndarray
    start: np.ndarray


class Events(NamedTuple):
    """True detections and corrections of the number of detections, by class and curve.

    Attributes:
        mark: ``(events,)`` int32, index of each event's mark within the class.
        image: ``(events,)`` int32.
        hit: ``(events,)`` bool, whether the event is a true detection.
        extra: ``(events,)`` int8, correction of the number of detections.
        start: ``(classes * curves + 1,)``, where each curve of each class starts.
    """

    mark: np.ndarray
    image: np.ndarray
    hit: np.ndarray
    extra: np.ndarray
    start: np.ndarray


class Objects(NamedTuple):
    """One or more sets of objects, each sorted by class.

    Attributes:
        image: ``(objects,)`` int32.
        start: ``(sets * classes + 1,)``, where each class of each set starts.
    """

    image: np.ndarray
    start: np.ndarray


class Curves(NamedTuple):
    """Properties of the ``C`` curves.

    Attributes:
        object_set: ``(C,)``, the set of the objects that the curve's recall refers to.
        base_set: ``(C,)``, a class counts if this set has objects of it.
        excluded_error: ``(C,)`` uint8, entries with this error do not count; 0 if all count.
        is_miss_rate: ``(C,)`` bool, whether the metric is MR^-2 and not the average precision.
    """

    object_set: np.ndarray
    base_set: np.ndarray
    excluded_error: np.ndarray
    is_miss_rate: np.ndarray


class _Values(NamedTuple):
    """Results of the loop.

    Attributes:
        metric: ``(K, C, LANES)``, average precision or miss rate of every class; 0 for one without
            objects.
        recall: ``(K, C, LANES)``.
        n_objects: ``(K, sets, LANES)``, number of objects of every class.
    """

    metric: np.ndarray
    recall: np.ndarray
    n_objects: np.ndarray


class _Buffers(NamedTuple):
    """Intermediate results of the loop, overwritten by every class or every curve.

    Attributes:
        counts: ``(marks, codes, LANES)`` int32, number of entries of the class before each mark:
            all entries (code 0), and those with each error.
        running: ``(codes, LANES)`` int32, the same at the current entry.
        precision: ``(hits, LANES)``, at each true detection.
        steps: ``(hits, LANES)``, how many of the recalls 0, 0.01, ..., 1 are reached there.
        n_hits: ``(LANES,)``, number of true detections up to the current event.
        n_extra: ``(LANES,)``, correction of the number of detections up to the current event.
        hits_at_rate: ``(rates, LANES)``, number of true detections at each rate of false ones.
        highest: ``(LANES,)``, highest precision at the current true detection or beyond.
        area: ``(LANES,)``, area below the curve from there on.
    """

    counts: np.ndarray
    running: np.ndarray
    precision: np.ndarray
    steps: np.ndarray
    n_hits: np.ndarray
    n_extra: np.ndarray
    hits_at_rate: np.ndarray
    highest: np.ndarray
    area: np.ndarray


def average_over_classes(
    weights: np.ndarray,
    entries: Entries,
    marks: Marks,
    events: Events,
    objects: Objects,
    curves: Curves,
) -> np.ndarray:
    """Return the metric and the recall of every curve, averaged over classes, ``(2, C, LANES)``.

    Args:
        weights: ``(images, LANES)`` int32, how often each image occurs in each replicate.
        entries, marks, events, objects, curves: The curves.

    Returns:
        Averages over the classes that have objects; NaN if no class has any.
    """
    both, n_objects = _compute(weights, entries, marks, events, objects, curves)
    n_classes = (n_objects > 0).sum(axis=0)
    with np.errstate(invalid='ignore'):
        # Along the first axis NumPy adds one class after the other, as pycocotools does.
        return both.sum(axis=1) / n_classes[curves.base_set]


def values_of_classes(
    weights: np.ndarray,
    entries: Entries,
    marks: Marks,
    events: Events,
    objects: Objects,
    curves: Curves,
) -> np.ndarray:
    """Return the metric and the recall of every class and curve, ``(2, K, C, LANES)``.

    The arguments are those of :func:`average_over_classes`. NaN for a class without objects.
    """
    both, n_objects = _compute(weights, entries, marks, events, objects, curves)
    return np.where(n_objects[:, curves.base_set] > 0, both, np.nan)


def _compute(
    weights: np.ndarray,
    entries: Entries,
    marks: Marks,
    events: Events,
    objects: Objects,
    curves: Curves,
) -> tuple[np.ndarray, np.ndarray]:
    """Return metric and recall, ``(2, K, C, LANES)``, and the objects, ``(K, sets, LANES)``."""
    n_classes = len(entries.start) - 1
    n_sets = (len(objects.start) - 1) // n_classes
    metric, recall = both = np.zeros((2, n_classes, len(curves.object_set), LANES))
    values = _Values(metric, recall, np.zeros((n_classes, n_sets, LANES)))
    allowed = weights.sum(0) * FPPI[:, None]  # false detections at which miss rates are read
    _fill_classes(weights, allowed, entries, marks, events, objects, curves, values)
    return both, values.n_objects


@jit
def _fill_classes(
    weights, allowed, entries, marks, events, objects, curves, values
):  # fmt: skip  # pragma: no cover
    """Compute the metric and the recall of every class and curve."""
    n_classes, n_curves = len(entries.start) - 1, len(curves.object_set)
    n_codes = 1
    for c in range(n_curves):
        if curves.excluded_error[c] > 0:
            n_codes = 6
    n_marks, n_events = _longest(marks.start), _longest(events.start)
    # Allocated here, because the compiler then knows that no two of them overlap.
    buffers = _Buffers(
        np.empty((n_marks, n_codes, LANES), np.int32),
        np.empty((n_codes, LANES), np.int32),
        np.empty((n_events, LANES)),
        np.empty((n_events, LANES)),
        np.empty(LANES),
        np.empty(LANES),
        np.empty(allowed.shape),
        np.empty(LANES),
        np.empty(LANES),
    )
    for k in range(n_classes):
        n_objects = values.n_objects[k]
        _count_objects(weights, objects, k, n_classes, n_objects)
        _count_entries(weights, entries, marks, k, buffers)
        for c in range(n_curves):
            n_wanted = n_objects[curves.object_set[c]]
            n_base = n_objects[curves.base_set[c]]
            row = k * n_curves + c
            n = _follow_events(weights, allowed, events, row, curves, c, n_wanted, buffers)
            for lane in range(LANES):
                if n_base[lane] > 0 and n_wanted[lane] > 0:
                    values.recall[k, c, lane] = buffers.n_hits[lane] / n_wanted[lane]
            if curves.is_miss_rate[c]:
                _miss_rate(n_wanted, n_base, buffers, values.metric[k, c])
            else:
                _precision(n, n_wanted, n_base, buffers, values.metric[k, c])


@register_jitable
def _longest(start):  # pragma: no cover
    """Return the length of the longest of the parts that start there."""
    longest = 0
    for i in range(len(start) - 1):
        longest = max(longest, start[i + 1] - start[i])
    return longest


@register_jitable
def _count_objects(weights, objects, k, n_classes, n_objects):  # pragma: no cover
    """Count the objects of class ``k`` in each set."""
    for s in range(len(n_objects)):
        row = s * n_classes + k
        for o in range(objects.start[row], objects.start[row + 1]):
            for lane in range(LANES):
                n_objects[s, lane] += weights[objects.image[o], lane]


@register_jitable
def _count_entries(weights, entries, marks, k, buffers):  # pragma: no cover
    """Count the entries of class ``k`` before each mark."""
    running, counts = buffers.running, buffers.counts
    n_codes = len(running)
    running[:] = 0
    entry, first_mark = entries.start[k], marks.start[k]
    for m in range(first_mark, marks.start[k + 1]):
        while entry < entries.start[k] + marks.position[m]:
            for lane in range(LANES):
                running[0, lane] += weights[entries.image[entry], lane]
            code = entries.error[entry]
            if n_codes > 1 and code > 0:
                for lane in range(LANES):
                    running[code, lane] += weights[entries.image[entry], lane]
            entry += 1
        # Not counts[...] = running, whose check of the shape takes long to compile.
        for code in range(n_codes):
            for lane in range(LANES):
                counts[m - first_mark, code, lane] = running[code, lane]


@register_jitable
def _follow_events(
    weights, allowed, events, row, curves, c, n_wanted, buffers
):  # fmt: skip  # pragma: no cover
    """Follow curve ``c`` along its events; returns the number of true detections."""
    n_hits, n_extra, hits_at_rate = buffers.n_hits, buffers.n_extra, buffers.hits_at_rate
    excluded, is_miss_rate = curves.excluded_error[c], curves.is_miss_rate[c]
    smallest = np.spacing(1.0)
    n_hits[:] = 0
    n_extra[:] = 0
    hits_at_rate[:] = 0
    n = 0
    for e in range(events.start[row], events.start[row + 1]):
        weight, count = weights[events.image[e]], buffers.counts[events.mark[e]]
        if events.extra[e] != 0:
            for lane in range(LANES):
                n_extra[lane] += events.extra[e] * weight[lane]
        if not events.hit[e]:
            continue
        for lane in range(LANES):
            n_hits[lane] += weight[lane]
            total = count[0, lane] + n_extra[lane]
            if excluded > 0:
                total -= count[excluded, lane]
            buffers.precision[n, lane] = n_hits[lane] / (total + smallest)
            # Exact, because NumPy computes the recalls as n * 0.01.
            recall = n_hits[lane] / n_wanted[lane]
            step = np.floor(recall * 100 + 0.5)
            buffers.steps[n, lane] = step + 1 if step * 0.01 <= recall else step
        if is_miss_rate:
            for r in range(len(allowed)):
                for lane in range(LANES):
                    total = count[0, lane] + n_extra[lane]
                    if total - n_hits[lane] <= allowed[r, lane]:
                        hits_at_rate[r, lane] = n_hits[lane]
        n += 1
    return n


@register_jitable
def _miss_rate(n_wanted, n_base, buffers, metric):  # pragma: no cover
    """Compute the log-average miss rate of a class."""
    hits_at_rate = buffers.hits_at_rate
    n_rates = len(hits_at_rate)
    for lane in range(LANES):
        if n_base[lane] > 0:
            log = 0.0
            for r in range(n_rates):
                log += np.log(max(1 - hits_at_rate[r, lane] / n_wanted[lane], 1e-10))
            metric[lane] = np.exp(log / n_rates)


@register_jitable
def _precision(n, n_wanted, n_base, buffers, metric):  # pragma: no cover
    """Compute the average precision of a class.

    The precision at a recall is the highest precision at that recall or beyond.
    """
    highest, area = buffers.highest, buffers.area
    highest[:] = 0
    area[:] = 0
    for i in range(n - 1, -1, -1):
        for lane in range(LANES):
            highest[lane] = max(highest[lane], buffers.precision[i, lane])
            reached = buffers.steps[i - 1, lane] if i > 0 else 0.0
            area[lane] += highest[lane] * (buffers.steps[i, lane] - reached)
    for lane in range(LANES):
        if n_base[lane] > 0 and n_wanted[lane] > 0:
            metric[lane] = area[lane] / 101
