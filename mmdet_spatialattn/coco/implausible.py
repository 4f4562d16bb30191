"""Notes on annotations and detections that are valid and cannot be meant so."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .annotations import Annotations

MANY = 0.2
"""Share of boxes outside of their images from which on they are worth a note."""

SAMPLE = 300
"""Number of detections whose classes are looked at, those with the highest scores."""

FEDERATED = ('neg_category_ids', 'not_exhaustive_category_ids')


def implausible(
    name: str,
    images: Sequence[dict],
    file_names: Sequence[str],
    boxes: np.ndarray,
    sizes: np.ndarray,
) -> Iterator[str]:
    """Yield notes on annotations.

    Args:
        name: Name of the annotations.
        images: The images in the file.
        file_names: Their files.
        boxes: ``(n, 4)`` x, y, width, height of the objects.
        sizes: ``(n, 2)`` width and height of each object's image; NaN where unknown.
    """
    yield from implausible_boxes(name, boxes, sizes)
    named = [file_name for file_name in file_names if file_name]
    repeated = [file_name for file_name, n in Counter(named).items() if n > 1]
    if repeated:
        yield (
            f'{len(repeated)} files belong to several images of {name} (first: {repeated[0]}): a '
            'merge of overlapping sets? Objects of one entry count as background in the other'
        )
    if any(key in image for image in images for key in FEDERATED):
        yield (
            f"{name} is annotated federally (images have 'neg_category_ids', as in LVIS): a "
            'detection of a class that was not looked for in an image counts as false here'
        )


def implausible_boxes(what: str, boxes: np.ndarray, sizes: np.ndarray) -> Iterator[str]:
    """Yield notes on boxes that leave their images or lie within one pixel.

    Args:
        what: What the boxes are of, in messages.
        boxes: ``(n, 4)`` x, y, width, height.
        sizes: ``(n, 2)`` width and height of each box's image; NaN where unknown.
    """
    if not len(boxes):
        return
    if boxes.max() <= 1 and not (sizes <= 2).any():
        yield (
            f'all boxes of {what} lie within one pixel: are they normalised? Multiply them by '
            'the width and the height of their images'
        )
        return
    known = ~np.isnan(sizes).any(axis=1)
    outside = known & (boxes[:, :2] + boxes[:, 2:] > sizes + 1).any(axis=1)
    if outside.sum() <= MANY * known.sum():
        return
    as_corners = boxes[:, 2:] <= sizes + 1
    ordered = boxes[:, 2:] >= boxes[:, :2]
    hint = (
        'these look like corners (x1, y1, x2, y2)'
        if (as_corners & ordered)[known].mean() > 0.95
        else 'do they belong to images of this size?'
    )
    yield (
        f'{outside.sum()} of {len(boxes)} boxes of {what} leave their image; expected x, y, '
        f'width and height: {hint}'
    )


def shifted_classes(
    annotations: 'Annotations',
    image: np.ndarray,
    category: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
) -> Iterator[str]:
    """Yield a note on detections whose classes are those of the objects, shifted by one.

    Args:
        annotations: The objects.
        image: ``(n,)`` index of each detection's image.
        category: ``(n,)`` index of its class.
        boxes: ``(n, 4)`` x, y, width, height.
        scores: ``(n,)``.
    """
    if len(annotations.category_ids) < 2 or not len(scores) or not len(annotations):
        return
    shifts: Counter[int] = Counter()
    order = np.argsort(annotations.image, kind='stable')
    starts = np.searchsorted(annotations.image[order], np.arange(len(annotations.image_ids) + 1))
    for i in np.argsort(-scores, kind='stable')[:SAMPLE].tolist():
        objects = order[starts[image[i]] : starts[image[i] + 1]]
        overlaps = _overlaps(boxes[i], annotations.boxes[objects])
        if len(overlaps) and overlaps.max() >= 0.5:
            nearest = objects[overlaps.argmax()]
            shifts[int(annotations.category[nearest] - category[i])] += 1
    total = sum(shifts.values())
    for shift in (-1, 1):
        if total >= 20 and shifts[shift] > 0.8 * total:
            yield (
                f'{shifts[shift]} of {total} detections that lie on an object have the class '
                f"{'before' if shift > 0 else 'after'} the object's: are the classes counted from "
                '0 in one file and from 1 in the other?'
            )


def _overlaps(box: np.ndarray, others: np.ndarray) -> Any:
    """Return the IoU of a box with others, ``(n,)``."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = (high - low).clip(0).prod(axis=1)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
