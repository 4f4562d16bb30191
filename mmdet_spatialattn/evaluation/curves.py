"""The curves of a run: what is computed of its matches in every bootstrap replicate."""

from dataclasses import dataclass
from typing import NamedTuple, Optional

import numpy as np

from ..clutter.scopes import Scope
from ..coco import Annotations
from .curve_kernel import (
    Curves,
    Entries,
    Events,
    Marks,
    Objects,
    average_over_classes,
    values_of_classes,
)
from .error_types import CLASS, ERROR_TYPES, LOCALISATION, Errors
from .matching import IGNORED, IOU_THRESHOLDS, TRUE, Matches
from .metrics import class_starts

_EVENT = np.dtype(
    [('category', 'i4'), ('position', 'i8'), ('image', 'i4'), ('hit', '?'), ('extra', 'i1')]
)


class CurveKey(NamedTuple):
    """What a curve, or a row of replicates, measures.

    Attributes:
        scope: The part of the objects that is scored.
        metric: Name of the metric, such as ``'AP'`` or ``'MR'``.
        threshold: IoU threshold, where the metric is one at a single threshold.
        error: Error type, where the metric says what this type of error costs.
    """

    scope: Scope
    metric: str
    threshold: Optional[float] = None
    error: Optional[str] = None


@dataclass(frozen=True, eq=False)
class CurveBundle:
    """``C`` curves of every class along the same entries.

    Attributes:
        keys: ``(C,)``, what the curves measure.
        entries, marks, events, objects, curves: See :mod:`.curve_kernel`.
    """

    keys: list[CurveKey]
    entries: Entries
    marks: Marks
    events: Events
    objects: Objects
    curves: Curves

    def resample(self, weights: np.ndarray) -> np.ndarray:
        """Return every curve's metric and recall in each replicate, ``(2, C, LANES)``.

        Args:
            weights: ``(images, LANES)`` int32, how often each image occurs in each replicate.
        """
        return average_over_classes(weights, *self._arrays)

    def resample_classes(self, weights: np.ndarray) -> np.ndarray:
        """Return every class's metric, the mean over the curves, in each replicate.

        Args:
            weights: As in :meth:`resample`.

        Returns:
            ``(K, LANES)``; NaN where a class has no objects.
        """
        return values_of_classes(weights, *self._arrays)[0].mean(axis=1)

    @property
    def _arrays(self) -> tuple[Entries, Marks, Events, Objects, Curves]:
        return self.entries, self.marks, self.events, self.objects, self.curves


class CurveBuilder:
    """Collects the curves along the entries of one scope; :meth:`build` makes them a bundle.

    Args:
        annotations: The objects.
        matches: The matches of the detections.
        row: Row of the scope in the matches; its entries are the detections that count in it at
            any threshold.
        inside: ``(objects,)`` bool, the objects of the scope.
        error: ``(n,)`` uint8, the code of each detection's error type.
    """

    def __init__(
        self,
        annotations: Annotations,
        matches: Matches,
        row: int,
        inside: np.ndarray,
        error: Optional[np.ndarray] = None,
    ) -> None:
        self.annotations, self.matches = annotations, matches
        self.n_classes = len(annotations.category_ids)
        self.status = matches.status[row]
        self.is_entry = (self.status != IGNORED).any(axis=1)
        self.n_before = np.append(0, np.cumsum(self.is_entry))  # entries before each detection
        self.class_start = class_starts(matches.category, self.n_classes)
        self.error = np.zeros(len(self.is_entry), np.uint8) if error is None else error
        self.keys: list[CurveKey] = []
        self.events: list[np.ndarray] = []
        self.object_sets: list[np.ndarray] = []
        self.properties: list[tuple[int, int, int, bool]] = []  # a row of Curves per curve
        self.add_object_set(inside)

    def add_object_set(self, inside: np.ndarray) -> int:
        """Add a set of objects, ``(objects,)`` bool; returns its index. That of the scope is 0."""
        self.object_sets.append(inside)
        return len(self.object_sets) - 1

    def add(
        self,
        key: CurveKey,
        events: np.ndarray,
        *,
        object_set: int = 0,
        base_set: int = 0,
        excluded_error: int = 0,
        is_miss_rate: bool = False,
    ) -> None:
        """Add a curve of every class from the events of :meth:`events_at` and :meth:`moved`."""
        self.keys.append(key)
        self.properties.append((object_set, base_set, excluded_error, is_miss_rate))
        # Events at the same position keep their order.
        self.events.append(events[np.lexsort((events['position'], events['category']))])

    def events_at(self, indices: np.ndarray, *, hit: bool, extra: int) -> np.ndarray:
        """Return events at detections, given by their indices in the order of the matches."""
        events = np.empty(len(indices), _EVENT)
        events['hit'], events['extra'] = hit, extra
        events['category'] = self.matches.category[indices]
        events['position'] = self.n_before[indices + 1]
        events['image'] = self.matches.image[indices]
        return events

    def moved(self, indices: np.ndarray, category: np.ndarray) -> np.ndarray:
        """Return events of detections that become true detections of other classes."""
        events = self.events_at(indices, hit=True, extra=1)
        events['category'] = category
        scores = self.matches.scores
        for k in np.unique(category):
            members = slice(self.class_start[k], self.class_start[k + 1])
            joining = category == k
            n_higher = np.searchsorted(-scores[members], -scores[indices[joining]], 'left')
            events['position'][joining] = self.n_before[self.class_start[k] + n_higher]
        return events

    def build(self) -> CurveBundle:
        """Return the curves, sorted for the compiled loop."""
        n_curves = len(self.keys)
        events = np.concatenate(self.events)
        curve = np.arange(n_curves).repeat([len(part) for part in self.events])
        row = events['category'] * n_curves + curve
        order = np.argsort(row, kind='stable')
        events, row = events[order], row[order]
        marks, mark_of_event = self._marks(events)
        return CurveBundle(
            keys=self.keys,
            entries=Entries(
                image=self.matches.image[self.is_entry],
                error=self.error[self.is_entry],
                start=self.n_before[self.class_start],
            ),
            marks=marks,
            events=Events(
                mark=mark_of_event,
                image=events['image'].copy(),
                hit=events['hit'].copy(),
                extra=events['extra'].copy(),
                start=np.searchsorted(row, np.arange(self.n_classes * n_curves + 1)),
            ),
            objects=self._objects(),
            curves=self._curves(),
        )

    def _marks(self, events: np.ndarray) -> tuple[Marks, np.ndarray]:
        """Return the distinct positions of the events, and the index of each event's mark."""
        stride = np.int64(len(self.is_entry) + 1)
        places, mark_of_event = np.unique(
            events['category'] * stride + events['position'], return_inverse=True
        )
        category, position = np.divmod(places, stride)
        start = class_starts(category, self.n_classes)
        first_entry = self.n_before[self.class_start]
        marks = Marks((position - first_entry[category]).astype(np.int32), start)
        return marks, (mark_of_event - start[events['category']]).astype(np.int32)

    def _objects(self) -> Objects:
        by_class = np.argsort(self.annotations.category, kind='stable')
        image, category = self.annotations.image[by_class], self.annotations.category[by_class]
        members = [inside[by_class] for inside in self.object_sets]
        counts = [np.bincount(category[rows], minlength=self.n_classes) for rows in members]
        return Objects(
            image=np.concatenate([image[rows] for rows in members]),
            start=np.append(0, np.cumsum(np.concatenate(counts))),
        )

    def _curves(self) -> Curves:
        object_set, base_set, excluded_error, is_miss_rate = zip(*self.properties)
        return Curves(
            object_set=np.array(object_set),
            base_set=np.array(base_set),
            excluded_error=np.array(excluded_error, np.uint8),
            is_miss_rate=np.array(is_miss_rate),
        )


def precision_curves(
    annotations: Annotations,
    matches: Matches,
    scope: Scope,
    row: int,
    inside: np.ndarray,
    errors: Optional[Errors] = None,
) -> CurveBuilder:
    """Start the curves of a scope: AP at every threshold and, given errors, AP50 without each type.

    Args:
        annotations: The objects.
        matches: The matches of the detections.
        scope: The scope.
        row: Row of the scope in the matches.
        inside: ``(objects,)`` bool, the objects of the scope.
        errors: The errors in the scope at the first threshold.
    """
    builder = CurveBuilder(annotations, matches, row, inside, errors.code if errors else None)
    for t, threshold in enumerate(IOU_THRESHOLDS.tolist()):
        builder.add(CurveKey(scope, 'AP', threshold), _events_at_threshold(builder, t))
    if errors is None:
        return builder
    base = _events_at_threshold(builder, 0)
    for code, error in enumerate(ERROR_TYPES, start=1):
        key = CurveKey(scope, 'AP', IOU_THRESHOLDS[0].item(), error)
        corrected = np.flatnonzero((errors.code == code) & (errors.target >= 0))
        if error == 'missed':
            object_set = builder.add_object_set(inside & ~errors.missed)
            builder.add(key, base, object_set=object_set)
        elif code == LOCALISATION:
            hits = builder.events_at(corrected, hit=True, extra=1)
            builder.add(key, np.concatenate([base, hits]), excluded_error=code)
        elif code == CLASS:
            hits = builder.moved(corrected, annotations.category[errors.target[corrected]])
            builder.add(key, np.concatenate([base, hits]), excluded_error=code)
        else:
            builder.add(key, base, excluded_error=code)
    return builder


def _events_at_threshold(builder: CurveBuilder, t: int) -> np.ndarray:
    status = builder.status[:, t]
    hits = builder.events_at(np.flatnonzero(status == TRUE), hit=True, extra=0)
    ignored = np.flatnonzero((status == IGNORED) & builder.is_entry)
    return np.concatenate([hits, builder.events_at(ignored, hit=False, extra=-1)])


def add_miss_rate(
    builder: CurveBuilder, scope: Scope, row: int, inside: np.ndarray, countable: np.ndarray
) -> None:
    """Add MR^-2 of a scope to the curves of *all* objects, because every false detection counts.

    Args:
        builder: The curves of the scope of all objects.
        scope: The scope whose objects are to be found; those of others are ignored.
        row: Row of the scope in the matches.
        inside: ``(objects,)`` bool, the objects of the scope.
        countable: ``(n,)`` bool in the order of the matches, whether a detection without a match
            counts as false.
    """
    matches, is_entry = builder.matches, builder.is_entry
    hit = matches.status[row, :, 0] == TRUE
    false = ~hit & (matches.matched_object[row] < 0) & countable
    object_set = builder.add_object_set(inside)
    events = [
        builder.events_at(np.flatnonzero(hit & is_entry), hit=True, extra=0),
        builder.events_at(np.flatnonzero(hit & ~is_entry), hit=True, extra=1),
        builder.events_at(np.flatnonzero(false & ~is_entry), hit=False, extra=1),
        builder.events_at(np.flatnonzero(~hit & ~false & is_entry), hit=False, extra=-1),
    ]
    builder.add(
        CurveKey(scope, 'MR'),
        np.concatenate(events),
        object_set=object_set,
        base_set=object_set,
        is_miss_rate=True,
    )
