"""The task that all runs of a comparison share: objects, strata, scopes, groups of images."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Optional

import numpy as np

from ..clutter.scopes import Scope, all_scopes, describe_strata, members
from ..clutter.strata import ENOUGH, Stratification
from ..coco import Annotations
from ..errors import UserError
from ..results import OVERALL, Refused, Stratum
from .metrics import MAX_DETECTIONS

ENOUGH_UNITS = 10
"""Number of images, or of groups of images, that a scope needs for a conclusion: the bootstrap
resamples them."""


class ScopeCounts(NamedTuple):
    """Size of a scope.

    Attributes:
        objects: Number of objects.
        images: Number of images with such an object.
        units: Number of independent units with such an object: groups of images if the images are
            grouped, else images.
    """

    objects: int
    images: int
    units: int


@dataclass(frozen=True, eq=False)
class EvaluationTask:
    """What detections are evaluated on, and how.

    Attributes:
        annotations: The objects.
        strata: The objects sorted into strata.
        iou_type: ``'bbox'`` or ``'segm'``.
        max_detections: COCO's ``maxDets``, rising.
        engine: Matching backend, see :func:`~mmdet_spatialattn.evaluation.matching.match`.
        group_by: Field of the images; images with the same value are resampled together.
        groups: ``(images,)`` int, the group of each image; without ``group_by`` each image is a
            group.

    Raises:
        UserError: An image lacks the field to group by, or there are too few groups.
    """

    annotations: Annotations
    strata: Stratification
    iou_type: str = 'bbox'
    max_detections: tuple[int, ...] = MAX_DETECTIONS
    engine: str = 'auto'
    group_by: Optional[str] = None
    groups: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'groups', _group_images(self.annotations, self.group_by))

    @cached_property
    def scopes(self) -> list[Scope]:
        """All scopes; overall is the first, followed by its sizes."""
        return all_scopes(len(self.strata.names))

    @cached_property
    def named_scopes(self) -> dict[str, Scope]:
        """The scopes of all sizes by their names in results: ``'overall'`` and the strata."""
        return {OVERALL: Scope(), **{name: Scope(s) for s, name in enumerate(self.strata.names)}}

    @cached_property
    def inside(self) -> np.ndarray:
        """``(scopes, objects)`` bool, the objects of each scope."""
        inside = members(self.scopes, self.annotations.area, self.strata.labels)
        return inside & ~self.annotations.iscrowd

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the objects, one sentence each."""
        notes = [*self.annotations.notes, *self.strata.notes]
        cap = self.max_detections[-1]
        groups = np.stack([self.annotations.image, self.annotations.category])[:, self.inside[0]]
        counts = np.unique(groups, axis=1, return_counts=True)[1]
        full = int((counts > cap).sum())
        if full:
            notes.append(
                f'{full} images hold more than {cap} objects of a class ({counts.max()} at most), '
                f'and {cap} detections of each count: raise max_detections (--max-detections)'
            )
        return tuple(notes)

    @property
    def n_images(self) -> int:
        return len(self.annotations.image_ids)

    @property
    def unit(self) -> str:
        """What the bootstrap resamples: ``'images'`` or ``'groups'`` of them."""
        return 'groups' if self.group_by else 'images'

    @cached_property
    def counts(self) -> dict[Scope, ScopeCounts]:
        """The size of each scope."""
        return {scope: self._count(inside) for scope, inside in zip(self.scopes, self.inside)}

    def _count(self, inside: np.ndarray) -> ScopeCounts:
        images = np.unique(self.annotations.image[inside])
        return ScopeCounts(int(inside.sum()), len(images), len(np.unique(self.groups[images])))

    def describe_strata(self) -> tuple[Stratum, ...]:
        """Return the size of every stratum, and whether it allows a conclusion."""
        return tuple(
            replace(
                stratum,
                enough=self.refusal(Scope(s)) is None,
                groups=self.counts[Scope(s)].units if self.group_by else None,
            )
            for s, stratum in enumerate(describe_strata(self.annotations, self.strata))
        )

    def refusal(self, *scopes: Scope) -> Optional[Refused]:
        """Return why the scopes do not allow a conclusion; ``None`` if they do."""
        for scope in scopes:
            name = 'all' if scope.stratum is None else f"'{self.strata.names[scope.stratum]}'"
            name += f' ({scope.size})' if scope.size else ''
            reason = self._too_small(name, self.counts[scope])
            if reason is not None:
                return reason
        return None

    @cached_property
    def class_counts(self) -> dict[str, ScopeCounts]:
        """The size of each class by its name, in the order of the annotations."""
        names, ids = self.annotations.category_names, self.annotations.category_ids
        labels = [f'{n} ({i})' if names.count(n) > 1 else n for n, i in zip(names, ids)]
        return {
            label: self._count(self.inside[0] & (self.annotations.category == k))
            for k, label in enumerate(labels)
        }

    def class_refusal(self, name: str) -> Optional[Refused]:
        """Return why a class does not allow a conclusion; ``None`` if it does."""
        return self._too_small(f"'{name}'", self.class_counts[name])

    def _too_small(self, name: str, counts: ScopeCounts) -> Optional[Refused]:
        if counts.objects < ENOUGH:
            return Refused(f'{name}: {counts.objects} objects; a conclusion needs {ENOUGH}')
        if counts.units < ENOUGH_UNITS:
            return Refused(f'{name}: {counts.units} {self.unit}; a conclusion needs {ENOUGH_UNITS}')
        return None


def _group_images(annotations: Annotations, group_by: Optional[str]) -> np.ndarray:
    n_images = len(annotations.image_ids)
    if group_by is None:
        return np.arange(n_images)
    values = annotations.image_field(group_by)
    group = {value: n for n, value in enumerate(dict.fromkeys(values))}
    if len(group) < ENOUGH_UNITS:
        raise UserError(
            f"{annotations.source}: '{group_by}' puts the {n_images} images into {len(group)} "
            f'groups; the bootstrap needs {ENOUGH_UNITS}: group by a field with more values, or do '
            'not group if the images are independent'
        )
    return np.array([group[value] for value in values])
