"""Strata: the objects by how cluttered they are, and the detections that belong to each."""

from dataclasses import dataclass
from typing import Optional, Union

import numpy as np

from ..coco import Annotations, Detections
from ..errors import UserError, did_you_mean
from ..jit import jit
from .measures import (
    IMAGE_MEASURES,
    OBJECT_MEASURES,
    image_measures,
    object_measures,
    visible_boxes,
)

DEFAULT_CUTS = {'cover': (0.1, 0.3), 'max_iou': (0.1, 0.3), 'max_iou_same': (0.1, 0.3)}
"""Cut points where none are given. Real sets hold few pairs above IoU 0.5, hence the low ones."""

CLUTTER_NAMES = ('clean', 'touching', 'crowded')
"""What three strata by ``cover`` are called; others carry their bounds as names."""

SIZES = {'small': (0, 32**2), 'medium': (32**2, 96**2), 'large': (96**2, 1e5**2)}
"""COCO's sizes by area; both bounds belong to a size, as in pycocotools."""

ANY_SIZE = (0, 1e5**2)
"""What COCO counts at all."""


@dataclass(frozen=True)
class Strata:
    """A rule that sorts objects into strata by a clutter measure.

    Attributes:
        measure: One of the measures of :mod:`~mmdet_spatialattn.clutter.measures`; a measure of
            the image puts all its objects into one stratum.
        cuts: Rising cut points: ``n`` of them make ``n + 1`` strata, and a value at a cut belongs
            to the stratum above it.
        quantiles: Instead of cuts, the number of strata of about equal numbers of objects.

    Example:
        >>> Strata.parse('cover:0.1,0.3')
        Strata(measure='cover', cuts=(0.1, 0.3), quantiles=None)
        >>> Strata.parse('neighbours:q4').quantiles
        4
    """

    measure: str = 'cover'
    cuts: tuple[float, ...] = ()
    quantiles: Optional[int] = None

    def __post_init__(self) -> None:
        known = (*OBJECT_MEASURES, *IMAGE_MEASURES)
        if self.measure not in known:
            nearest = did_you_mean(self.measure, known)
            raise UserError(
                f"unknown clutter measure '{self.measure}'{nearest} (known: {', '.join(known)})"
            )
        if self.cuts and self.quantiles:
            raise UserError('strata have cut points or quantiles, not both')
        if self.quantiles is not None and not 2 <= self.quantiles <= 100:
            raise UserError(f'strata by quantiles are 2 to 100 in number, got {self.quantiles}')
        cuts = self.cuts or DEFAULT_CUTS.get(self.measure, ())
        if not all(a < b for a, b in zip(cuts, cuts[1:])) or not np.isfinite(cuts).all():
            raise UserError(f'cut points of strata must be finite and rise, got {list(cuts)}')
        if not cuts and not self.quantiles:
            object.__setattr__(self, 'quantiles', 3)
        elif not self.quantiles:
            object.__setattr__(self, 'cuts', tuple(float(cut) for cut in cuts))

    @classmethod
    def parse(cls, text: str) -> 'Strata':
        """Read ``MEASURE``, ``MEASURE:CUT,CUT,...`` or ``MEASURE:qN`` for ``N`` quantiles.

        Raises:
            UserError: The measure is unknown, or what follows it is neither.
        """
        measure, _, rule = text.partition(':')
        try:
            if rule.startswith('q'):
                return cls(measure, quantiles=int(rule[1:]))
            return cls(measure, tuple(float(cut) for cut in rule.split(',')) if rule else ())
        except ValueError as error:
            raise UserError(
                f"strata '{text}' cannot be read; expected MEASURE:CUT,CUT,... as cover:0.1,0.3, "
                'or MEASURE:qN as neighbours:q3'
            ) from error

    def apply(self, annotations: Annotations) -> 'Stratification':
        """Sort the objects of ``annotations``.

        Raises:
            UserError: No object has the measure, or quantiles cannot part equal values.
        """
        values = measure(annotations, self.measure)
        known = values[~np.isnan(values)]
        if not len(known) and not (annotations.iscrowd.all() and self.cuts):
            raise UserError(
                f"no object of {annotations.source} has the measure '{self.measure}': "
                + OBJECT_MEASURES.get(self.measure, 'there are no objects')
            )
        cuts = self.cuts
        if self.quantiles:
            inner = np.linspace(0, 1, self.quantiles + 1)[1:-1]
            cuts = tuple(np.unique(np.quantile(known, inner, method='higher')).tolist())
            cuts = tuple(cut for cut in cuts if cut > known.min())
            if not cuts:
                raise UserError(
                    f"'{self.measure}' is nearly the same for all objects of {annotations.source}: "
                    'quantiles cannot part them; give cut points'
                )
        labels = _sort(values, cuts)
        images = None
        if self.measure in IMAGE_MEASURES:
            # An image without the measure has no object either: the least cluttered.
            images = np.maximum(_sort(_of_images(annotations, self.measure), cuts), 0)
        return Stratification(labels, self._names(cuts), self.measure, cuts, images)

    def _names(self, cuts: tuple[float, ...]) -> tuple[str, ...]:
        if self.measure == 'cover' and len(cuts) == 2:
            return CLUTTER_NAMES
        bounds = [f'{cut:.4g}' for cut in cuts]
        if len(set(bounds)) < len(bounds):
            bounds = [str(cut) for cut in cuts]
        inner = [f'{a} to {b}' for a, b in zip(bounds, bounds[1:])]
        return tuple(
            f'{self.measure} {part}' for part in (f'< {bounds[0]}', *inner, f'>= {bounds[-1]}')
        )


def _sort(values: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    labels = np.digitize(values, cuts)  # NaN comes out behind the last cut
    return np.where(np.isnan(values), -1, labels).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Stratification:
    """Objects sorted into strata, the least cluttered first.

    Attributes:
        labels: ``(n,)`` int32, the stratum of each object; -1 for none (crowd regions, objects
            without the measure): such an object counts overall and is ignored in every stratum.
        names: What the strata are called.
        measure: The measure, for the record.
        cuts: The cut points, for the record.
        images: ``(images,)`` int32, the stratum of each image, where whole images are sorted: all
            their objects and false detections belong there.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    measure: str = ''
    cuts: tuple[float, ...] = ()
    images: Optional[np.ndarray] = None

    def __post_init__(self) -> None:
        if not self.names or len({*self.names, 'overall'}) <= len(self.names):
            raise UserError(
                f"strata need names, all different and not 'overall'; got {list(self.names)}"
            )
        if len(self.labels) and not -1 <= self.labels.min() <= self.labels.max() < len(self.names):
            raise UserError(
                f'labels of strata are -1 for none or 0 to {len(self.names) - 1}, one of the '
                f'{len(self.names)} names; got {self.labels.min()} to {self.labels.max()}'
            )


@dataclass(frozen=True)
class Scope:
    """A part of the objects that is scored by itself; ``None`` means all."""

    stratum: Optional[int] = None
    size: Optional[str] = None


def scopes(n_strata: int) -> list[Scope]:
    """Return everything that is scored: overall and by size, then the same of every stratum."""
    return [
        Scope(stratum, size)
        for stratum in (None, *range(n_strata))
        for size in (None, *SIZES)
    ]  # fmt: skip


def members(which: list[Scope], area: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Return ``(scopes, n)`` bool: what lies in each scope by its area and its stratum.

    For objects and detections alike; a detection's size is that of its own box, as in COCO.
    """
    inside = np.empty((len(which), len(area)), bool)
    for row, scope in zip(inside, which):
        low, high = SIZES[scope.size] if scope.size else ANY_SIZE
        row[:] = (area >= low) & (area <= high)
        if scope.stratum is not None:
            row &= stratum == scope.stratum
    return inside


def measure(annotations: Annotations, name: str) -> np.ndarray:
    """Return a clutter measure of every object, ``(n,)``; NaN where an object has none."""
    of = annotations
    if name in IMAGE_MEASURES:
        return np.where(of.iscrowd, np.nan, _of_images(of, name)[of.image])
    arrays = (of.boxes, of.image, of.category, of.iscrowd, of.image_sizes)
    return object_measures(*arrays, visible=visible_boxes(of))[name]


def _of_images(of: Annotations, name: str) -> np.ndarray:
    return image_measures(of.boxes, of.image, of.category, of.iscrowd, of.image_sizes)[name]


def image_numbers(annotations: Annotations, field: str) -> list[float]:
    """Return the number that stands in a field of every image, ``(I,)``.

    Raises:
        UserError: An image has no number there.
    """
    numbers = []
    for image_id, value in zip(annotations.image_ids, annotations.image_field(field)):
        if isinstance(value, str):
            raise UserError(
                f"{annotations.source}: image {image_id!r} has {value!r:.40} as '{field}'; "
                'expected a number'
            )
        numbers.append(value)
    return numbers


def stratify_images(annotations: Annotations, field: str) -> Stratification:
    """Sort whole images by a field of theirs, one stratum for each of its values, rising.

    Raises:
        UserError: An image has no number in the field; there is one value only, or over 100.
    """
    values = image_numbers(annotations, field)
    doses = sorted(set(values))
    if not 2 <= len(doses) <= 100:
        known = ', '.join(annotations.image_records[0])
        raise UserError(
            f"{annotations.source}: '{field}' of the images has {len(doses)} different values; "
            'expected 2 to 100, a level or a severity '
            f'that many images share (the fields there are: {known})'
        )
    images = np.searchsorted(doses, values).astype(np.int32)
    labels = np.where(annotations.iscrowd, -1, images[annotations.image]).astype(np.int32)
    names = tuple(f'{field} {dose}' for dose in doses)
    return Stratification(labels, names, field, tuple(map(float, doses[1:])), images)


def charge(annotations: Annotations, detections: Detections, strata: Stratification) -> np.ndarray:
    """Return the stratum each detection is charged to when it matches nothing, ``(n,)`` int32.

    It is that of the object, of any class, whose box it overlaps best; without any overlap, of the
    nearest object by centre distance; in an image without objects, the least cluttered one. Where
    whole images are sorted, it is that of the image. Every false detection is charged once, so a
    stratum of a tenth of the objects, drawn at random, bears about a tenth of the false detections.
    """
    if strata.images is not None:
        return strata.images[detections.image]
    labels = strata.labels
    objects = np.flatnonzero(labels >= 0)
    objects = objects[np.argsort(annotations.image[objects], kind='stable')]
    images = np.arange(len(annotations.image_ids) + 1)
    start = np.searchsorted(annotations.image[objects], images)
    charged = np.empty(len(detections), np.int32)
    _charge(
        detections.boxes, detections.image, annotations.boxes[objects], start, labels[objects],
        charged,
    )  # fmt: skip
    return charged


@jit
def _charge(boxes, image, objects, start, labels, charged):  # pragma: no cover
    for d in range(len(boxes)):
        x, y, width, height = boxes[d]
        best_iou, best_distance = 0.0, np.inf
        charged[d] = 0
        for o in range(start[image[d]], start[image[d] + 1]):
            ox, oy, owidth, oheight = objects[o]
            w = min(x + width, ox + owidth) - max(x, ox)
            h = min(y + height, oy + oheight) - max(y, oy)
            if w > 0 and h > 0:
                iou = w * h / (width * height + owidth * oheight - w * h)
                if iou > best_iou:
                    best_iou = iou
                    charged[d] = labels[o]
            if best_iou == 0:
                dx = (ox + owidth / 2) - (x + width / 2)
                dy = (oy + oheight / 2) - (y + height / 2)
                if dx * dx + dy * dy < best_distance:
                    best_distance = dx * dx + dy * dy
                    charged[d] = labels[o]


StrataLike = Union[str, Strata, Stratification]


def stratify(strata: StrataLike, annotations: Annotations) -> Stratification:
    """Apply a rule, or its text, to annotations; what is already sorted passes through.

    Raises:
        UserError: The rule cannot be read or applied; sorted labels are not one per object.
    """
    if isinstance(strata, Stratification):
        if len(strata.labels) != len(annotations):
            raise UserError(
                f'the strata hold {len(strata.labels)} labels, one for every object; '
                f'{annotations.source} has {len(annotations)} objects'
            )
        if strata.images is not None and len(strata.images) != len(annotations.image_ids):
            raise UserError(
                f'the strata hold labels of {len(strata.images)} images; {annotations.source} has '
                f'{len(annotations.image_ids)}'
            )
        return strata
    return (Strata.parse(strata) if isinstance(strata, str) else strata).apply(annotations)
