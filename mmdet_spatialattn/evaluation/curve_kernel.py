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


class Sums(NamedTuple):
    """Results of the loop: sums over the classes.

    Attributes:
        metric: ``(C, LANES)``, average precision or miss rate.
        recall: ``(C, LANES)``.
        n_classes: ``(sets, LANES)``, number of classes with objects.
    """

    metric: np.ndarray
    recall: np.ndarray
    n_classes: np.ndarray


@jit
def add_classes(
    weights, allowed, entries, marks, events, objects, curves, sums
):  # fmt: skip  # pragma: no cover
    """Add the metric and the recall of every curve and class to ``sums``.

    Args:
        weights: ``(images, LANES)`` int32, how often each image occurs in each replicate.
        allowed: ``(rates, LANES)``, numbers of false detections at which miss rates are read.
    """
    n_classes, n_curves = len(entries.start) - 1, len(curves.object_set)
    n_sets, n_rates = len(sums.n_classes), len(allowed)
    n_codes = 6 if curves.excluded_error.max() > 0 else 1
    smallest = np.spacing(1.0)
    running = np.zeros((n_codes, LANES), np.int32)
    n_marks = (marks.start[1:] - marks.start[:-1]).max()
    counts = np.empty((n_marks + 1, n_codes, LANES), np.int32)
    longest = (events.start[1:] - events.start[:-1]).max() + 1
    precision, steps = np.empty((longest, LANES)), np.empty((longest, LANES))
    n_objects = np.empty((n_sets, LANES))
    hits, extra, best, area = np.empty((4, LANES))
    hits_at_rate = np.empty((n_rates, LANES))
    for k in range(n_classes):
        n_objects[:] = 0
        for s in range(n_sets):
            row = s * n_classes + k
            for o in range(objects.start[row], objects.start[row + 1]):
                for lane in range(LANES):
                    n_objects[s, lane] += weights[objects.image[o], lane]
            for lane in range(LANES):
                sums.n_classes[s, lane] += n_objects[s, lane] > 0

        # Running sums over the entries, kept at every mark.
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
            # Not counts[...] = running, whose check of the shape takes longest to compile.
            for code in range(n_codes):
                for lane in range(LANES):
                    counts[m - first_mark, code, lane] = running[code, lane]

        for c in range(n_curves):
            hits[:] = 0
            extra[:] = 0
            hits_at_rate[:] = 0
            n_wanted, n_base = n_objects[curves.object_set[c]], n_objects[curves.base_set[c]]
            excluded = curves.excluded_error[c]
            row = k * n_curves + c
            n = 0
            for e in range(events.start[row], events.start[row + 1]):
                weight, count = weights[events.image[e]], counts[events.mark[e]]
                if events.extra[e] != 0:
                    for lane in range(LANES):
                        extra[lane] += events.extra[e] * weight[lane]
                if not events.hit[e]:
                    continue
                for lane in range(LANES):
                    hits[lane] += weight[lane]
                    total = count[0, lane] + extra[lane]
                    if excluded > 0:
                        total -= count[excluded, lane]
                    precision[n, lane] = hits[lane] / (total + smallest)
                    # How many of the recalls 0, 0.01, ..., 1 are reached; exact, because NumPy
                    # computes them as n * 0.01.
                    recall = hits[lane] / n_wanted[lane]
                    step = np.floor(recall * 100 + 0.5)
                    steps[n, lane] = step + 1 if step * 0.01 <= recall else step
                if curves.is_miss_rate[c]:
                    for r in range(n_rates):
                        for lane in range(LANES):
                            total = count[0, lane] + extra[lane]
                            if total - hits[lane] <= allowed[r, lane]:
                                hits_at_rate[r, lane] = hits[lane]
                n += 1
            for lane in range(LANES):
                if n_base[lane] > 0 and n_wanted[lane] > 0:
                    sums.recall[c, lane] += hits[lane] / n_wanted[lane]
            if curves.is_miss_rate[c]:
                for lane in range(LANES):
                    if n_base[lane] > 0:
                        log = 0.0
                        for r in range(n_rates):
                            log += np.log(max(1 - hits_at_rate[r, lane] / n_wanted[lane], 1e-10))
                        sums.metric[c, lane] += np.exp(log / n_rates)
                continue
            # The precision at a recall is the highest precision at it or beyond.
            best[:] = 0
            area[:] = 0
            for i in range(n - 1, -1, -1):
                for lane in range(LANES):
                    best[lane] = max(best[lane], precision[i, lane])
                    reached = steps[i - 1, lane] if i > 0 else 0.0
                    area[lane] += best[lane] * (steps[i, lane] - reached)
            for lane in range(LANES):
                if n_base[lane] > 0 and n_wanted[lane] > 0:
                    sums.metric[c, lane] += area[lane] / 101
