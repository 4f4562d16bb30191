"""Clutter measures: how crowded each object is by the others, and how full each image is."""

from collections.abc import Iterator
from typing import Optional

import numpy as np

from ..coco import Annotations
from ..errors import UserError

OBJECT_MEASURES = {
    'max_iou': 'largest IoU with another object of the image',
    'max_iou_same': 'largest IoU with another object of the same class',
    'cover': 'share of the box that the union of all other boxes covers',
    'neighbours': 'other centres within 2 sqrt(area) of the centre',
    'occlusion': '1 - visible box / full box, where the annotation carries a visible box',
    'rel_size': 'sqrt(box area / image area)',
}
"""Measures of an object and their meanings."""

IMAGE_MEASURES = {
    'n_objects': 'number of objects',
    'crowd_index': 'mean number of other centres inside a box',
    'overlap_ratio': 'sum of pairwise intersections / area of the union of all boxes',
    'area_share': 'share of the image that the union of all boxes covers',
    'n_categories': 'number of different classes',
}
"""Measures of an image that need no pixels, and their meanings."""

PIXEL_MEASURES = {
    'edge_density': 'share of the background pixels that are edges (Canny)',
    'feature_congestion': 'local variety of colour, contrast and orientation in the background',
}
"""Measures of the pixels of an image outside all boxes, and their meanings."""

MEANINGS = {**OBJECT_MEASURES, **IMAGE_MEASURES, **PIXEL_MEASURES}
"""The meaning of every measure."""

NEIGHBOUR_REACH = 2.0
"""``k`` of ``neighbours``: another centre counts within ``k * sqrt(area)``."""

VISIBLE_KEYS = ('vis_bbox', 'vbox', 'bboxVis')
"""Fields that hold a visible box: of CityPersons in COCO's format, CrowdHuman and CityPersons."""

_CHUNK = 1 << 20  # elements per temporary array: bounds the memory, hides NumPy's overhead


def object_measures(
    boxes: np.ndarray,
    image: np.ndarray,
    category: np.ndarray,
    crowd: np.ndarray,
    image_size: np.ndarray,
    visible: Optional[np.ndarray] = None,
) -> dict[str, np.ndarray]:
    """Return the measures of :data:`OBJECT_MEASURES`, each an array in the order of ``boxes``.

    A crowd region is not an object: its row is NaN, and it counts neither as a neighbour nor for an
    IoU, but it covers other boxes. Boxes count as a whole, even if they leave the image; a box of
    size zero covers nothing and is not covered. Time and memory grow with the number of pairs of
    boxes in the same image.

    Args:
        boxes: ``(A, 4)``, x, y, width, height in pixels.
        image: ``(A,)``, index of each box's image in ``image_size``.
        category: ``(A,)``, class of each box.
        crowd: ``(A,)``, true for a crowd region.
        image_size: ``(I, 2)``, width and height in pixels; NaN where unknown.
        visible: ``(A, 4)``, the visible boxes; NaN where an annotation has none.

    Example:
        >>> boxes = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [40, 40, 5, 5]])
        >>> zeros = np.zeros(3, dtype=int)
        >>> measures = object_measures(boxes, zeros, zeros, zeros, np.array([[100, 100]]))
        >>> measures['cover'].tolist(), measures['neighbours'].tolist()
        ([0.5, 0.5, 0.0], [1.0, 1.0, 0.0])
    """
    corners, image = corners_of(boxes), np.asarray(image, dtype=int)
    objects = ~np.asarray(crowd, dtype=bool)
    category, image_size = np.asarray(category, dtype=int), np.asarray(image_size, dtype=float)
    area, centre = _area(corners), (corners[:, :2] + corners[:, 2:]) / 2
    reach = NEIGHBOUR_REACH * np.sqrt(area)
    max_iou, max_iou_same, neighbours = np.zeros((3, len(corners)))
    covered, covering = [], []
    for i, j in _pairs(image):
        intersection = _intersection(corners[i], corners[j])
        shared = _area(intersection)
        covered.append(i[shared > 0])
        covering.append(intersection[shared > 0])
        both = objects[i] & objects[j]
        i, j, shared = i[both], j[both], shared[both]
        iou = _ratio(shared, area[i] + area[j] - shared)
        np.maximum.at(max_iou, i, iou)
        same = category[i] == category[j]
        np.maximum.at(max_iou_same, i[same], iou[same])
        near = np.hypot(*(centre[j] - centre[i]).T) <= reach[i]
        neighbours += np.bincount(i[near], minlength=len(corners))
    cover = union_area(np.concatenate(covered), np.concatenate(covering), len(corners))
    measures = {
        'max_iou': max_iou,
        'max_iou_same': max_iou_same,
        # The sum of the slabs may exceed the area by a rounding error.
        'cover': np.minimum(_ratio(cover, area), 1),
        'neighbours': neighbours,
        'occlusion': np.full(len(corners), np.nan),
        'rel_size': np.sqrt(_ratio(area, image_size.prod(1)[image], default=np.nan)),
    }
    if visible is not None:
        visible_area = _area(_intersection(corners, corners_of(visible)))
        measures['occlusion'] = 1 - _ratio(visible_area, area, default=np.nan)
    return {name: np.where(objects, values, np.nan) for name, values in measures.items()}


def image_measures(
    boxes: np.ndarray,
    image: np.ndarray,
    category: np.ndarray,
    crowd: np.ndarray,
    image_size: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the measures of :data:`IMAGE_MEASURES`, each ``(I,)``; crowd regions do not count.

    ``area_share`` counts the part of the boxes inside the image and is NaN where the size of the
    image is unknown; ``overlap_ratio`` is the BOR of OVIS, 0 without overlap, and may exceed 1
    where more than two boxes overlap.

    Args:
        boxes, image, category, crowd, image_size: As for :func:`object_measures`.
    """
    objects = ~np.asarray(crowd, dtype=bool)
    image = np.asarray(image, dtype=int)[objects]
    category = np.asarray(category, dtype=int)[objects]
    corners, image_size = corners_of(boxes)[objects], np.asarray(image_size, dtype=float)
    n_images = len(image_size)
    centre = (corners[:, :2] + corners[:, 2:]) / 2
    inside, shared = np.zeros((2, n_images))
    for i, j in _pairs(image):
        within = (centre[j] > corners[i, :2]) & (centre[j] < corners[i, 2:])
        inside += np.bincount(image[i[within.all(1)]], minlength=n_images)
        shared += np.bincount(
            image[i], weights=_area(_intersection(corners[i], corners[j])), minlength=n_images
        )
    count = np.bincount(image, minlength=n_images).astype(float)
    union = union_area(image, corners, n_images)
    frame = np.concatenate([np.zeros_like(image_size), image_size], axis=1)[image]
    visible_union = union_area(image, _intersection(corners, frame), n_images)
    classes = np.unique(np.stack([image, category]), axis=1)[0]
    return {
        'n_objects': count,
        'crowd_index': inside / np.maximum(count, 1),
        # Every pair is counted twice.
        'overlap_ratio': _ratio(shared / 2, union),
        'area_share': np.minimum(_ratio(visible_union, image_size.prod(1), default=np.nan), 1),
        'n_categories': np.bincount(classes, minlength=n_images).astype(float),
    }


def union_area(owner: np.ndarray, corners: np.ndarray, n_owners: int) -> np.ndarray:
    """Return the exact area of the union of each owner's boxes, ``(n_owners,)``; 0 without boxes.

    A sweep over the vertical edges: between two neighbouring edges the union is a set of intervals,
    whose total length follows from a running maximum of their ends. Owners with a similar number of
    boxes are swept together, padded with empty boxes. The cost is ``O(k^2)`` for an owner with
    ``k`` boxes.

    Args:
        owner: ``(N,)``, index of the owner of each box.
        corners: ``(N, 4)``, x1, y1, x2, y2; a box with ``x2 <= x1`` or ``y2 <= y1`` is empty.
    """
    areas = np.zeros(n_owners)
    order = np.argsort(owner, kind='stable')
    count = np.bincount(owner, minlength=n_owners)
    first = np.cumsum(count) - count
    width = np.where(count > 0, 1 << np.ceil(np.log2(np.maximum(count, 1))).astype(int), 0)
    for k in np.unique(width[width > 0]):
        owners = np.flatnonzero(width == k)
        step = max(_CHUNK // int(k * k), 1)
        for chunk in np.split(owners, range(step, len(owners), step)):
            boxes = np.zeros((len(chunk), k, 4))
            real = np.arange(k) < count[chunk, None]
            boxes[real] = corners[order[(first[chunk, None] + np.arange(k))[real]]]
            areas[chunk] = _sweep(boxes)
    return areas


def _sweep(boxes: np.ndarray) -> np.ndarray:
    """Return the area of the union of each row of boxes, ``(G, K, 4)`` -> ``(G,)``."""
    boxes = np.take_along_axis(boxes, np.argsort(boxes[..., 1], axis=1)[..., None], axis=1)
    left, top, right, bottom = np.moveaxis(boxes, -1, 0)[:, :, None]  # each (G, 1, K)
    edges = np.sort(np.concatenate([left[:, 0], right[:, 0]], axis=1), axis=1)
    area = np.zeros(len(boxes))
    step = max(_CHUNK // (boxes.shape[0] * boxes.shape[1]), 1)
    for start in range(0, edges.shape[1] - 1, step):
        edge = edges[:, start : start + step + 1]
        slab_left = edge[:, :-1, None]
        active = (left <= slab_left) & (slab_left < right) & (top < bottom)  # (G, slabs, K)
        reached = np.maximum.accumulate(np.where(active, bottom, -np.inf), axis=2)
        reached = np.concatenate([np.full_like(reached[..., :1], -np.inf), reached[..., :-1]], 2)
        length = np.where(active, bottom - np.maximum(top, reached), 0).clip(0).sum(2)
        area += (length * np.diff(edge, axis=1)).sum(1)
    return area


def _pairs(image: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the ordered pairs of different boxes of one image as indices, in bounded chunks."""
    order = np.argsort(image, kind='stable')
    count = np.bincount(image) if len(image) else np.zeros(0, dtype=int)
    first = np.cumsum(count) - count
    per_box = count[image[order]]
    ends = np.cumsum(per_box)
    cuts = np.searchsorted(ends, np.arange(_CHUNK, ends[-1] if len(ends) else 0, _CHUNK))
    for chunk in np.split(np.arange(len(order)), np.unique(cuts)):
        n = per_box[chunk]
        i = np.repeat(chunk, n)
        # Position of the partner in its image: 0 .. n - 1 for each i.
        j = np.arange(len(i)) - np.repeat(np.cumsum(n) - n, n) + first[image[order[i]]]
        different = i != j
        yield order[i[different]], order[j[different]]


def corners_of(boxes: np.ndarray) -> np.ndarray:
    """Convert boxes from x, y, width, height to corners x1, y1, x2, y2, ``(A, 4)``."""
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersections of boxes, ``(A, 4)`` corners; ``x2 < x1`` if they are disjoint."""
    return np.concatenate([np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])], axis=1)


def _area(corners: np.ndarray) -> np.ndarray:
    """Return the areas of boxes given by their corners; 0 for an empty box."""
    return (corners[:, 2:] - corners[:, :2]).clip(0).prod(1)


def _ratio(part: np.ndarray, whole: np.ndarray, default: float = 0) -> np.ndarray:
    """Return ``part / whole``, and ``default`` where the whole is zero or unknown."""
    return np.divide(part, whole, out=np.full(len(part), float(default)), where=whole > 0)


def measure_objects(annotations: Annotations) -> dict[str, np.ndarray]:
    """Return the measures of :data:`OBJECT_MEASURES` of a data set, each ``(n,)``.

    Raises:
        UserError: A field of :data:`VISIBLE_KEYS` does not hold a box.
    """
    return object_measures(**_arrays(annotations), visible=visible_boxes(annotations))


def measure_images(annotations: Annotations) -> dict[str, np.ndarray]:
    """Return the measures of :data:`IMAGE_MEASURES` of a data set, each ``(I,)``."""
    return image_measures(**_arrays(annotations))


def _arrays(annotations: Annotations) -> dict[str, np.ndarray]:
    return {
        'boxes': annotations.boxes,
        'image': annotations.image,
        'category': annotations.category,
        'crowd': annotations.iscrowd,
        'image_size': annotations.image_sizes,
    }


def visible_boxes(annotations: Annotations) -> np.ndarray:
    """Return the visible boxes of the annotations, ``(n, 4)``; NaN where there is none.

    Raises:
        UserError: A field of :data:`VISIBLE_KEYS` does not hold a box.
    """
    boxes = np.full((len(annotations), 4), np.nan)
    for i, record in enumerate(annotations.records):
        for key in VISIBLE_KEYS:
            if record.get(key) is None:
                continue
            try:
                boxes[i] = np.array(record[key], dtype=float)
            except (TypeError, ValueError):
                boxes[i] = np.nan
            if not np.isfinite(boxes[i]).all() or (boxes[i, 2:] < 0).any():
                raise UserError(
                    f'{annotations.source}: annotations[{i}]: {key} is {record[key]!r:.60}; '
                    'expected [x, y, width, height], finite numbers with width and height >= 0'
                )
            break
    return boxes


def measures_table() -> str:
    """Return a Markdown table of all measures."""
    kinds = (
        ('object', OBJECT_MEASURES),
        ('image', IMAGE_MEASURES),
        ('image, from pixels', PIXEL_MEASURES),
    )
    rows = [
        f'| `{name}` | {kind} | {meaning} |'
        for kind, measures in kinds
        for name, meaning in measures.items()
    ]
    return '\n'.join(['| measure | of | meaning |', '|---|---|---|', *rows])
