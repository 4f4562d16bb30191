"""Metrics of a resampled data set from the matches of the original one.

In a bootstrap replicate image ``i`` occurs ``w[i]`` times. Nothing is matched again: a precision
needs, at each true detection, how many detections stand before it, each counted ``w`` times. So the
detections of a run are boiled down to *curves* once, and a replicate is one running sum over the
detections and a few operations at each true one. The replicates are worked on 16 at a time, side by
side in the registers of the processor.

A curve belongs to a class and is a list of *events* along the *entries*, the detections that count
in its scope, by falling score. At an event a true detection is met, or the number of detections is
corrected: at this curve's IoU threshold some entries are ignored after all.
"""

from dataclasses import dataclass
from typing import Optional

import numpy as np

from ..coco import Annotations
from ..jit import jit
from .error_types import CLASS, ERROR_TYPES, LOCALISATION, Errors
from .matching import IGNORED, TRUE, Matches
from .metrics import class_starts

LANES = 16
"""Replicates worked on at once."""

FPPI = np.logspace(-2, 0, 9)
"""False detections per image at which MR^-2 reads the miss rate."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Curves along the same entries: ``C`` of every class. Each class has its part of every list.

    Attributes:
        names: ``(C,)`` what the curves are.
        entry_image: ``(entries,)`` int32.
        entry_kind: ``(entries,)`` uint8, the error an entry is, 0 for none.
        entry_start: ``(classes + 1,)``.
        mark: ``(marks,)`` int32, rising in a class: after so many entries the sums are kept.
        mark_start: ``(classes + 1,)``.
        event_mark: ``(events,)`` int32, which mark of its class an event stands at.
        event_image: ``(events,)`` int32.
        event_hit: ``(events,)`` bool, whether a true detection is met.
        event_extra: ``(events,)`` int8, correction of the number of detections.
        event_start: ``(classes * C + 1,)``.
        object_image: ``(objects,)`` int32, the objects of one or more sets, by class in each.
        object_start: ``(sets * classes + 1,)``.
        object_set: ``(C,)`` the objects to be found by a curve.
        base_set: ``(C,)`` a class counts when it has objects of this set.
        left_out: ``(C,)`` uint8, entries of this kind are none for the curve; 0 for all are.
        is_miss_rate: ``(C,)`` bool; average precision otherwise.
    """

    names: list[str]
    entry_image: np.ndarray
    entry_kind: np.ndarray
    entry_start: np.ndarray
    mark: np.ndarray
    mark_start: np.ndarray
    event_mark: np.ndarray
    event_image: np.ndarray
    event_hit: np.ndarray
    event_extra: np.ndarray
    event_start: np.ndarray
    object_image: np.ndarray
    object_start: np.ndarray
    object_set: np.ndarray
    base_set: np.ndarray
    left_out: np.ndarray
    is_miss_rate: np.ndarray

    def resample(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return every curve's metric and recall, averaged over classes, each ``(C, LANES)``.

        Args:
            weights: ``(images, LANES)`` int32, how often each image occurs in each replicate.
        """
        values, recalls = np.zeros((2, len(self.names), LANES))
        n_sets = (len(self.object_start) - 1) // (len(self.entry_start) - 1)
        classes = np.zeros((n_sets, LANES))
        _resample(
            weights, weights.sum(0) * FPPI[:, None], self.entry_image, self.entry_kind,
            self.entry_start, self.mark, self.mark_start, self.event_mark, self.event_image,
            self.event_hit, self.event_extra, self.event_start, self.object_image,
            self.object_start, self.object_set, self.base_set, self.left_out, self.is_miss_rate,
            values, recalls, classes,
        )  # fmt: skip
        with np.errstate(invalid='ignore'):  # no class has objects: not a number
            return values / classes[self.base_set], recalls / classes[self.base_set]


class Bundler:
    """Collects curves along the entries of one scope; :meth:`bundle` sorts them for the processor.

    Args:
        annotations: The objects.
        matches: What each detection is.
        scope: The entries are the detections that count in this scope at any threshold.
        inside: ``(objects,)`` bool, the objects of that scope.
        kind: ``(n,)`` uint8, the error that each detection is.
    """

    def __init__(
        self,
        annotations: Annotations,
        matches: Matches,
        scope: int,
        inside: np.ndarray,
        kind: Optional[np.ndarray] = None,
    ) -> None:
        self.matches = matches
        self.n_classes = len(annotations.category_ids)
        self.status = matches.status[scope]
        self.entry = (self.status != IGNORED).any(axis=1)
        self.before = np.append(0, np.cumsum(self.entry))  # entries before each detection
        self.class_start = class_starts(matches.category, self.n_classes)
        self.kind = np.zeros(len(self.entry), np.uint8) if kind is None else kind
        self.by_class = np.argsort(annotations.category, kind='stable')
        self.annotations = annotations
        self.sets: list[np.ndarray] = []
        self.curves: list[tuple] = []
        self.events: list[np.ndarray] = []
        self.add_set(inside)

    def add_set(self, inside: np.ndarray) -> int:
        """Add a set of objects, ``(objects,)`` bool; returns its number. The scope's has 0."""
        self.sets.append(inside)
        return len(self.sets) - 1

    def add(
        self,
        name: str,
        events: np.ndarray,
        object_set: int = 0,
        base_set: int = 0,
        left_out: int = 0,
        is_miss_rate: bool = False,
    ) -> None:
        """Add a curve of every class from its events, the rows of :meth:`at` and :meth:`moved`."""
        self.curves.append((name, object_set, base_set, left_out, is_miss_rate))
        # Rows at the same place keep their order.
        self.events.append(events[np.lexsort((events['entries'], events['category']))])

    def at(self, where: np.ndarray, hit: bool, extra: int) -> np.ndarray:
        """Return events at detections, given by index in the order of the matches."""
        rows = self._rows(len(where), hit, extra)
        rows['category'] = self.matches.category[where]
        rows['entries'] = self.before[where + 1]
        rows['image'] = self.matches.image[where]
        return rows

    def moved(self, where: np.ndarray, category: np.ndarray) -> np.ndarray:
        """Return events of detections that become true ones of another class."""
        rows = self._rows(len(where), hit=True, extra=1)
        rows['category'] = category
        rows['image'] = self.matches.image[where]
        for k in np.unique(category):
            mine = slice(self.class_start[k], self.class_start[k + 1])
            moved = category == k
            place = np.searchsorted(
                -self.matches.scores[mine], -self.matches.scores[where[moved]], 'left'
            )
            rows['entries'][moved] = self.before[self.class_start[k] + place]
        return rows

    @staticmethod
    def _rows(n: int, hit: bool, extra: int) -> np.ndarray:
        rows = np.empty(
            n,
            [('category', 'i4'), ('entries', 'i8'), ('image', 'i4'), ('hit', '?'), ('extra', 'i1')],
        )
        rows['hit'], rows['extra'] = hit, extra
        return rows

    def bundle(self) -> Bundle:
        """Return all curves, sorted."""
        n_curves = len(self.curves)
        events = np.concatenate(self.events)
        curve = np.arange(n_curves).repeat([len(e) for e in self.events])
        row = events['category'] * n_curves + curve
        order = np.argsort(row, kind='stable')
        events, row = events[order], row[order]
        place = events['category'] * np.int64(len(self.entry) + 1) + events['entries']
        marks, event_mark = np.unique(place, return_inverse=True)
        mark_class, mark = np.divmod(marks, len(self.entry) + 1)
        mark_start = class_starts(mark_class, self.n_classes)
        entry_start = self.before[self.class_start]
        names, object_set, base_set, left_out, is_miss_rate = zip(*self.curves)
        categories = self.annotations.category[self.by_class]
        members = [inside[self.by_class] for inside in self.sets]
        starts = [np.bincount(categories[m], minlength=self.n_classes) for m in members]
        return Bundle(
            names=list(names),
            entry_image=self.matches.image[self.entry],
            entry_kind=self.kind[self.entry],
            entry_start=entry_start,
            mark=(mark - entry_start[mark_class]).astype(np.int32),
            mark_start=mark_start,
            event_mark=(event_mark - mark_start[events['category']]).astype(np.int32),
            event_image=events['image'].copy(),
            event_hit=events['hit'].copy(),
            event_extra=events['extra'].copy(),
            event_start=np.searchsorted(row, np.arange(self.n_classes * n_curves + 1)),
            object_image=np.concatenate(
                [self.annotations.image[self.by_class][m] for m in members]
            ),
            object_start=np.append(0, np.cumsum(np.concatenate(starts))),
            object_set=np.array(object_set),
            base_set=np.array(base_set),
            left_out=np.array(left_out, np.uint8),
            is_miss_rate=np.array(is_miss_rate),
        )


def precision_curves(
    annotations: Annotations,
    matches: Matches,
    scope: int,
    inside: np.ndarray,
    errors: Optional[Errors] = None,
) -> Bundler:
    """Start the curves of one scope: AP at each threshold and, given errors, AP50 without each.

    Args:
        annotations: The objects.
        matches: What each detection is.
        scope: Which scope.
        inside: ``(objects,)`` bool, its objects.
        errors: Its errors at the first threshold.
    """
    bundler = Bundler(annotations, matches, scope, inside, errors.kind if errors else None)
    for t in range(matches.status.shape[2]):
        bundler.add(f'AP@{t}', _events(bundler, t))
    if errors is None:
        return bundler
    base = _events(bundler, 0)
    for code, name in enumerate(ERROR_TYPES, start=1):
        fixed = np.flatnonzero((errors.kind == code) & (errors.target >= 0))
        if name == 'missed':
            found = bundler.add_set(inside & ~errors.missed)
            bundler.add(name, base, object_set=found)
        elif code == LOCALISATION:
            right = bundler.at(fixed, hit=True, extra=1)
            bundler.add(name, np.concatenate([base, right]), left_out=code)
        elif code == CLASS:
            right = bundler.moved(fixed, annotations.category[errors.target[fixed]])
            bundler.add(name, np.concatenate([base, right]), left_out=code)
        else:
            bundler.add(name, base, left_out=code)
    return bundler


def _events(bundler: Bundler, threshold: int) -> np.ndarray:
    status = bundler.status[:, threshold]
    hits = bundler.at(np.flatnonzero(status == TRUE), hit=True, extra=0)
    ignored = np.flatnonzero((status == IGNORED) & bundler.entry)
    return np.concatenate([hits, bundler.at(ignored, hit=False, extra=-1)])


def add_miss_rate(
    bundler: Bundler, name: str, scope: int, inside: np.ndarray, countable: np.ndarray
) -> None:
    """Add MR^-2 of a scope to the curves of *all* objects, as every false detection counts in it.

    Args:
        bundler: The curves of the scope of all objects.
        name: What to call the curve.
        scope: The scope whose objects are to be found; those of others are ignored.
        inside: ``(objects,)`` bool, its objects.
        countable: ``(n,)`` bool, the detections, in the order of the matches, that are false when
            they match nothing.
    """
    matches = bundler.matches
    hit = matches.status[scope, :, 0] == TRUE
    false = ~hit & (matches.first[scope] < 0) & countable
    counts = hit | false
    objects = bundler.add_set(inside)
    events = [
        bundler.at(np.flatnonzero(hit & bundler.entry), hit=True, extra=0),
        bundler.at(np.flatnonzero(hit & ~bundler.entry), hit=True, extra=1),
        bundler.at(np.flatnonzero(false & ~bundler.entry), hit=False, extra=1),
        bundler.at(np.flatnonzero(~counts & bundler.entry), hit=False, extra=-1),
    ]
    bundler.add(name, np.concatenate(events), objects, objects, is_miss_rate=True)


@jit
def _resample(
    weights, allowed, entry_image, entry_kind, entry_start, mark, mark_start, event_mark,
    event_image, event_hit, event_extra, event_start, object_image, object_start, object_set,
    base_set, left_out, is_miss_rate, values, recalls, classes,
):  # fmt: skip  # pragma: no cover
    n_classes, n_curves, n_sets = len(entry_start) - 1, len(object_set), len(classes)
    n_kinds = 6 if left_out.max() > 0 else 1
    smallest = np.spacing(1.0)
    sums = np.zeros((n_kinds, LANES), np.int32)
    kept = np.empty(((mark_start[1:] - mark_start[:-1]).max() + 1, n_kinds, LANES), np.int32)
    longest = (event_start[1:] - event_start[:-1]).max() + 1
    precision, steps = np.empty((longest, LANES)), np.empty((longest, LANES))
    n_objects = np.empty((n_sets, LANES))
    hits, extra, best, area = np.empty((4, LANES))
    found = np.empty((len(allowed), LANES))
    for k in range(n_classes):
        n_objects[:] = 0
        for s in range(n_sets):
            for o in range(object_start[s * n_classes + k], object_start[s * n_classes + k + 1]):
                for lane in range(LANES):
                    n_objects[s, lane] += weights[object_image[o], lane]
            for lane in range(LANES):
                classes[s, lane] += n_objects[s, lane] > 0

        # Running sums over the entries, kept where an event stands.
        sums[:] = 0
        entry = entry_start[k]
        for m in range(mark_start[k], mark_start[k + 1]):
            while entry < entry_start[k] + mark[m]:
                for lane in range(LANES):
                    sums[0, lane] += weights[entry_image[entry], lane]
                if n_kinds > 1 and entry_kind[entry] > 0:
                    for lane in range(LANES):
                        sums[entry_kind[entry], lane] += weights[entry_image[entry], lane]
                entry += 1
            # Not kept[...] = sums, whose words for a wrong shape take longest to compile.
            for kind in range(n_kinds):
                for lane in range(LANES):
                    kept[m - mark_start[k], kind, lane] = sums[kind, lane]

        for c in range(n_curves):
            hits[:] = 0
            extra[:] = 0
            found[:] = 0
            wanted, base, out = n_objects[object_set[c]], n_objects[base_set[c]], left_out[c]
            n = 0
            for e in range(event_start[k * n_curves + c], event_start[k * n_curves + c + 1]):
                weight, at = weights[event_image[e]], kept[event_mark[e]]
                if event_extra[e] != 0:
                    for lane in range(LANES):
                        extra[lane] += event_extra[e] * weight[lane]
                if not event_hit[e]:
                    continue
                for lane in range(LANES):
                    hits[lane] += weight[lane]
                    total = at[0, lane] + extra[lane]
                    if out > 0:
                        total -= at[out, lane]
                    precision[n, lane] = hits[lane] / (total + smallest)
                    # How many of the recalls 0, 0.01, ..., 1 are reached; exact, as n * 0.01 is
                    # how NumPy makes them.
                    recall = hits[lane] / wanted[lane]
                    step = np.floor(recall * 100 + 0.5)
                    steps[n, lane] = step + 1 if step * 0.01 <= recall else step
                if is_miss_rate[c]:
                    for r in range(len(allowed)):
                        for lane in range(LANES):
                            total = at[0, lane] + extra[lane]
                            if total - hits[lane] <= allowed[r, lane]:
                                found[r, lane] = hits[lane]
                n += 1
            for lane in range(LANES):
                if base[lane] > 0 and wanted[lane] > 0:
                    recalls[c, lane] += hits[lane] / wanted[lane]
            if is_miss_rate[c]:
                for lane in range(LANES):
                    if base[lane] > 0:
                        log = 0.0
                        for r in range(len(allowed)):
                            log += np.log(max(1 - found[r, lane] / wanted[lane], 1e-10))
                        values[c, lane] += np.exp(log / len(allowed))
                continue
            # The precision at a recall is the best one at it or beyond.
            best[:] = 0
            area[:] = 0
            for i in range(n - 1, -1, -1):
                for lane in range(LANES):
                    best[lane] = max(best[lane], precision[i, lane])
                    reached = steps[i - 1, lane] if i > 0 else 0.0
                    area[lane] += best[lane] * (steps[i, lane] - reached)
            for lane in range(LANES):
                if base[lane] > 0 and wanted[lane] > 0:
                    values[c, lane] += area[lane] / 101
