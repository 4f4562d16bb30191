"""Detections as checked arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional, Union

import numpy as np

from ..io import PathLike
from .annotations import Annotations
from .detection_forms import read_records
from .fields import boxes_of, column, is_empty, lookup, numbers
from .implausible import implausible_boxes, shifted_classes

DetectionSource = Union[PathLike, Sequence[dict], 'Detections']


BOXES_BESIDE_MASKS = (
    'boxes stand beside masks, and pycocotools takes their areas as the sizes of the detections; '
    'MMDetection and detectron2 leave the boxes out when they evaluate masks'
)


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections of one run as arrays, in the order of the file.

    Attributes:
        source: The file, or another name for messages.
        image: ``(n,)`` int32, the index of each detection's image in ``Annotations.image_ids``.
        category: ``(n,)`` int32, the index of its class in ``Annotations.category_ids``.
        boxes: ``(n, 4)`` float64, ``x, y, width, height`` in pixels.
        scores: ``(n,)`` float64.
        area: ``(n,)`` float64 by pycocotools' rule: the area of the box, or of the mask if the
            first entry of the file has no box.
        masks: ``n`` masks as compressed run lengths, for ``iou_type='segm'``.
        notes: What a user should know, one sentence each.
    """

    source: str
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    area: np.ndarray
    masks: Optional[list[dict]] = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    def sized_by_masks(self) -> 'Detections':
        """Return them with the areas of the masks, whatever boxes stand beside these.

        MMDetection and detectron2 evaluate masks so.
        """
        from .masks import compress_masks  # imports Numba, which not every caller needs

        masks = self.masks or []
        sizes = np.array([mask['size'][::-1] for mask in masks], int).reshape(-1, 2)
        _, area = compress_masks(masks, sizes, self.source)
        notes = tuple(note for note in self.notes if note != BOXES_BESIDE_MASKS)
        return replace(self, area=area, notes=notes)

    def __repr__(self) -> str:
        return f'Detections({self.source}: {len(self)} detections)'


def load_detections(
    source: DetectionSource, annotations: Annotations, *, iou_type: str = 'bbox'
) -> Detections:
    """Load detections.

    COCO's result format is a list of objects with ``image_id``, ``category_id``, ``score``, and
    ``bbox`` or ``segmentation``. An empty list is valid: nothing was detected. The other forms that
    are read are described in :mod:`.detection_forms`.

    Args:
        source: A file or its content; loaded detections pass through.
        annotations: The annotations that the ids refer to.
        iou_type: ``'bbox'``, or ``'segm'`` to keep the masks.

    Raises:
        UserError: The file cannot be read or does not hold detections; an image or a category is
            not in ``annotations``; a box or a score is not finite, or a size is negative.
    """
    if isinstance(source, Detections):
        return source
    from .masks import compress_masks  # imports Numba, which not every caller needs

    data, name, location, notes = read_records(source, annotations, iou_type=iou_type)
    images = {image_id: i for i, image_id in enumerate(annotations.image_ids)}
    categories = {category_id: i for i, category_id in enumerate(annotations.category_ids)}
    image = lookup(data, 'image_id', images, location, annotations.source)
    category = lookup(data, 'category_id', categories, location, annotations.source)
    scores = numbers(column(data, 'score', location), 'score', location)
    masks: Optional[list[dict]] = None
    if data and 'segmentation' in data[0] and is_empty(data[0].get('bbox')):
        segmentations = column(data, 'segmentation', location)
        masks, area = compress_masks(segmentations, annotations.image_sizes[image], location)
        boxes = _boxes_of_masks(masks)
    else:
        boxes = boxes_of(data, location)
        area = boxes[:, 2] * boxes[:, 3]
        if iou_type == 'segm':
            outlines = map(_outline, boxes.tolist())
            segmentations = [r.get('segmentation', o) for r, o in zip(data, outlines)]
            sizes = annotations.image_sizes[image]
            masks, _ = compress_masks(segmentations, sizes, location)
            if data and 'segmentation' in data[0]:
                notes = (*notes, BOXES_BESIDE_MASKS)
    notes = (
        *notes,
        *implausible_boxes(name, boxes, annotations.image_sizes[image]),
        *shifted_classes(annotations, image, category, boxes, scores),
    )
    return Detections(
        source=name,
        image=image,
        category=category,
        boxes=boxes,
        scores=scores,
        area=area,
        masks=masks if iou_type == 'segm' else None,
        notes=notes,
    )


def _boxes_of_masks(masks: list[dict]) -> np.ndarray:
    from pycocotools import mask as mask_api

    return mask_api.toBbox(masks).reshape(-1, 4)


def _outline(box: list[float]) -> list[list[float]]:
    """Return a box as a polygon, which pycocotools uses as the mask of a detection without one."""
    x, y, width, height = box
    return [[x, y, x, y + height, x + width, y + height, x + width, y]]
