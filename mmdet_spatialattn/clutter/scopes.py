"""Scopes: the parts of the objects that are scored by themselves, and their detections."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from ..coco import Annotations, Detections
from ..jit import jit
from ..results import Stratum
from .strata import ENOUGH, Stratification

SIZES = {'small': (0, 32**2), 'medium': (32**2, 96**2), 'large': (96**2, 1e5**2)}
"""COCO's sizes by area; both bounds belong to a size, as in pycocotools."""

ANY_SIZE = (0, 1e5**2)
"""The range of areas that COCO counts at all."""


@dataclass(frozen=True)
class Scope:
    """A part of the objects that is scored by itself.

    Attributes:
        stratum: Index of a stratum; ``None`` for all objects, also those in no stratum.
        size: One of :data:`SIZES`; ``None`` for all.
    """

    stratum: Optional[int] = None
    size: Optional[str] = None


def all_scopes(n_strata: int) -> list[Scope]:
    """Return every scope: overall and by size, then the same of every stratum."""
    return [
        Scope(stratum, size)
        for stratum in (None, *range(n_strata))
        for size in (None, *SIZES)
    ]  # fmt: skip


def members(scopes: Sequence[Scope], area: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Return which objects or detections belong to each scope, ``(scopes, n)`` bool.

    Args:
        scopes: The scopes.
        area: ``(n,)``; the size of a detection is that of its own box, as in COCO.
        stratum: ``(n,)``, index of the stratum of each object or detection.
    """
    inside = np.empty((len(scopes), len(area)), bool)
    for row, scope in zip(inside, scopes):
        low, high = SIZES[scope.size] if scope.size else ANY_SIZE
        row[:] = (area >= low) & (area <= high)
        if scope.stratum is not None:
            row &= stratum == scope.stratum
    return inside


def describe_strata(annotations: Annotations, strata: Stratification) -> tuple[Stratum, ...]:
    """Return the size of every stratum; it is enough with :data:`.strata.ENOUGH` objects."""
    described = []
    for s, name in enumerate(strata.names):
        scopes = [Scope(s, size) for size in (None, *SIZES)]
        inside = members(scopes, annotations.area, strata.labels) & ~annotations.iscrowd
        n_objects, *by_size = inside.sum(axis=1).tolist()
        n_images = len(np.unique(annotations.image[inside[0]]))
        sizes = dict(zip(SIZES, by_size))
        described.append(Stratum(name, n_objects, n_images, sizes, n_objects >= ENOUGH))
    return tuple(described)


def charged_strata(
    annotations: Annotations, detections: Detections, strata: Stratification
) -> np.ndarray:
    """Return the stratum that each detection is charged to if it has no match, ``(n,)`` int32.

    It is the stratum of the object, of any class, that the detection's box overlaps best; without
    any overlap, of the nearest object by centre distance; in an image without objects, the least
    cluttered stratum. If the strata sort whole images, it is that of the image. Every false
    detection is charged once, so a random tenth of the objects bears about a tenth of the false
    detections.
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
        detections.boxes, detections.image, annotations.boxes[objects], labels[objects], start,
        charged,
    )  # fmt: skip
    return charged


@jit
def _charge(boxes, image, object_boxes, labels, start, charged):  # pragma: no cover
    """Fill ``charged``; the objects of image ``i`` are ``start[i]:start[i + 1]``."""
    for d in range(len(boxes)):
        x, y, width, height = boxes[d]
        best_iou, best_distance = 0.0, np.inf
        charged[d] = 0
        for o in range(start[image[d]], start[image[d] + 1]):
            ox, oy, owidth, oheight = object_boxes[o]
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
