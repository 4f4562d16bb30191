"""Strata: the objects of a data set sorted by how cluttered they are."""

from dataclasses import dataclass
from typing import Optional, Union

import numpy as np

from ..coco import Annotations
from ..errors import UserError, did_you_mean
from ..results import OVERALL
from .measures import IMAGE_MEASURES, OBJECT_MEASURES, measure_images, measure_objects

DEFAULT_CUTS = {'cover': (0.1, 0.3), 'max_iou': (0.1, 0.3), 'max_iou_same': (0.1, 0.3)}
"""Default cut points. They are low because real data sets hold few pairs above IoU 0.5."""

CLUTTER_NAMES = ('clean', 'touching', 'crowded')
"""Names of the strata by ``cover`` at its default cuts; other strata are named by their bounds."""

ENOUGH = 30
"""Number of objects that a stratum needs for a conclusion."""


@dataclass(frozen=True)
class Strata:
    """A rule that sorts objects into strata by a clutter measure.

    Attributes:
        measure: One of the measures of :mod:`~mmdet_spatialattn.clutter.measures`; a measure of
            the image puts all objects of an image into one stratum.
        cuts: Rising cut points: ``n`` of them make ``n + 1`` strata, and a value at a cut belongs
            to the stratum above it.
        quantiles: Number of strata with about equal numbers of objects; an alternative to ``cuts``.

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
            raise UserError('strata take cut points or quantiles, not both')
        if self.quantiles is not None and not 2 <= self.quantiles <= 100:
            raise UserError(f'the number of quantiles must be 2 to 100, got {self.quantiles}')
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
            UserError: The measure is unknown, or the text after it is neither.
        """
        measure, _, rule = text.partition(':')
        cuts: tuple[float, ...] = ()
        quantiles = None
        try:
            if rule.startswith('q'):
                quantiles = int(rule.removeprefix('q'))
            elif rule:
                cuts = tuple(float(cut) for cut in rule.split(','))
        except ValueError as error:
            raise UserError(
                f"strata '{text}' cannot be read; expected MEASURE:CUT,CUT,... as cover:0.1,0.3, "
                'or MEASURE:qN as neighbours:q3'
            ) from error
        return cls(measure, cuts, quantiles)

    def apply(self, annotations: Annotations) -> 'Stratification':
        """Sort the objects of ``annotations``.

        Raises:
            UserError: No object has the measure, or the values are too equal for quantiles.
        """
        values = object_values(annotations, self.measure)
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
                    f"'{self.measure}' is nearly the same for all objects of {annotations.source}, "
                    'so quantiles cannot separate them; give cut points'
                )
        images = None
        if self.measure in IMAGE_MEASURES:
            # An image without the measure has no object: it is among the least cluttered.
            image_values = measure_images(annotations)[self.measure]
            images = np.maximum(_label(image_values, cuts), 0)
        labels = _label(values, cuts)
        notes = []
        if self.quantiles and len(cuts) + 1 < self.quantiles:
            notes.append(
                f"'{self.measure}' is the same for so many objects that {self.quantiles} quantiles "
                f'fall into {len(cuts) + 1} strata; give cut points to choose them'
            )
        return Stratification(
            labels, self._names(cuts), self.measure, cuts, images, notes=tuple(notes)
        )

    def _names(self, cuts: tuple[float, ...]) -> tuple[str, ...]:
        if self.measure == 'cover' and cuts == DEFAULT_CUTS['cover']:
            return CLUTTER_NAMES
        bounds = [f'{cut:.4g}' for cut in cuts]
        if len(set(bounds)) < len(bounds):
            bounds = [str(cut) for cut in cuts]
        inner = [f'{a} to {b}' for a, b in zip(bounds, bounds[1:])]
        intervals = (f'< {bounds[0]}', *inner, f'>= {bounds[-1]}')
        return tuple(f'{self.measure} {interval}' for interval in intervals)


def _label(values: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    """Return the index of the stratum of each value, ``(n,)`` int32; -1 for NaN."""
    labels = np.digitize(values, cuts)  # puts NaN behind the last cut
    return np.where(np.isnan(values), -1, labels).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Stratification:
    """Objects sorted into strata, from the least to the most cluttered.

    Attributes:
        labels: ``(n,)`` int32, the index of each object's stratum; -1 for none (crowd regions,
            objects without the measure). An object in no stratum counts overall and is ignored in
            every stratum.
        names: Names of the strata.
        measure: The measure they were made with.
        cuts: The cut points they were made with.
        images: ``(images,)`` int32, the stratum of each image, if whole images are sorted: all
            objects and false detections of an image belong to its stratum.
        notes: What a user should know, one sentence each.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    measure: str = ''
    cuts: tuple[float, ...] = ()
    images: Optional[np.ndarray] = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.names or len({*self.names, OVERALL}) <= len(self.names):
            raise UserError(
                f"strata need names, all different and not '{OVERALL}'; got {list(self.names)}"
            )
        if len(self.labels) and not -1 <= self.labels.min() <= self.labels.max() < len(self.names):
            raise UserError(
                f'labels of strata are -1 for none or 0 to {len(self.names) - 1}, one of the '
                f'{len(self.names)} names; got {self.labels.min()} to {self.labels.max()}'
            )


StrataLike = Union[str, Strata, Stratification]
"""A rule, its text, or objects that are sorted already."""


def stratify(annotations: Annotations, strata: StrataLike = 'cover') -> Stratification:
    """Sort objects into strata.

    Args:
        annotations: The objects.
        strata: The rule or its text; sorted objects pass through.

    Raises:
        UserError: The rule cannot be read or applied; sorted labels are not one per object.
    """
    if isinstance(strata, str):
        strata = Strata.parse(strata)
    if isinstance(strata, Strata):
        return strata.apply(annotations)
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


def stratify_images(annotations: Annotations, field: str) -> Stratification:
    """Sort whole images by a numeric field of theirs, one stratum for each value, rising.

    Raises:
        UserError: An image has no number in the field, or the field has one value only or more
            than 100.
    """
    values = image_numbers(annotations, field)
    levels = sorted(set(values))
    if not 2 <= len(levels) <= 100:
        known = ', '.join(annotations.image_records[0])
        raise UserError(
            f"{annotations.source}: '{field}' of the images has {len(levels)} different values; "
            'expected 2 to 100, a level or a severity that many images share (the fields there '
            f'are: {known})'
        )
    images = np.searchsorted(levels, values).astype(np.int32)
    labels = np.where(annotations.iscrowd, -1, images[annotations.image]).astype(np.int32)
    names = tuple(f'{field} {level}' for level in levels)
    return Stratification(labels, names, field, tuple(map(float, levels[1:])), images)


def image_numbers(annotations: Annotations, field: str) -> list[float]:
    """Return the number in a field of every image, ``(I,)``.

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


def object_values(annotations: Annotations, measure: str) -> np.ndarray:
    """Return a clutter measure of every object, ``(n,)``; NaN where an object has none.

    A measure of images is that of the object's image.
    """
    if measure in IMAGE_MEASURES:
        values = measure_images(annotations)[measure][annotations.image]
        return np.where(annotations.iscrowd, np.nan, values)
    return measure_objects(annotations)[measure]
