"""Detections and objects grouped by image (and class), and the IoU of every pair in a group."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Optional

import numpy as np

from ..coco import Annotations, Detections
from ..jit import jit

_CHUNK = 1 << 21  # number of pairs whose IoU is held in memory at once


@dataclass(frozen=True, eq=False)
class MatchingGroups:
    """Detections and objects sorted into groups: the same image, or the same image and class.

    The ``n`` detections are sorted by group and, within a group, by falling score; the objects are
    sorted by group and keep the order of the file. Only groups with detections exist.

    Attributes:
        detections: ``(n,)``, indices into the detections.
        rank: ``(n,)`` int32, number of detections of the same group with a higher score.
        objects: Indices into the objects.
        detection_start: ``(groups + 1,)``; the detections of group ``g`` are
            ``detection_start[g]:detection_start[g + 1]``.
        object_start: ``(groups,)``; the objects of group ``g`` are
            ``object_start[g]:object_end[g]``.
        object_end: ``(groups,)``.
    """

    detections: np.ndarray
    rank: np.ndarray
    objects: np.ndarray
    detection_start: np.ndarray
    object_start: np.ndarray
    object_end: np.ndarray

    def parts(self) -> Iterator[slice]:
        """Yield slices of consecutive groups with a bounded number of pairs."""
        # The detections count too: most groups of a long-tailed data set have no object.
        sizes = np.diff(self.detection_start) * (self.object_end - self.object_start + 1)
        work = np.cumsum(sizes)
        begin = 0
        while begin < len(work):
            done = work[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(work, done + _CHUNK, 'right')))
            yield slice(begin, end)
            begin = end

    def columns(self, part: slice) -> slice:
        """Return the slice of the ``n`` detections that belong to a part."""
        return slice(self.detection_start[part.start], self.detection_start[part.stop])


class Pairs(NamedTuple):
    """The pairs of a detection and an object in consecutive groups, for the compiled loops.

    Attributes:
        iou: ``(pairs,)``, ordered by group, then detection, then object.
        start: ``(groups + 1,)``, where the pairs of each group start in ``iou``.
        detection_start: ``(groups + 1,)``, as in :class:`MatchingGroups`, but counted from the
            first detection of these groups.
        object_start: ``(groups,)``, as in :class:`MatchingGroups`.
        object_end: ``(groups,)``, as in :class:`MatchingGroups`.
    """

    iou: np.ndarray
    start: np.ndarray
    detection_start: np.ndarray
    object_start: np.ndarray
    object_end: np.ndarray


def group_for_matching(
    objects: np.ndarray,
    object_keys: np.ndarray,
    detections: np.ndarray,
    detection_keys: np.ndarray,
    scores: np.ndarray,
    max_detections: Optional[int] = None,
) -> MatchingGroups:
    """Group objects and detections by key; detections with equal scores keep their order.

    Args:
        objects: ``(m,)`` indices, in the order of the file.
        object_keys: ``(m,)`` int64.
        detections: ``(n,)`` indices, in the order of the file.
        detection_keys: ``(n,)`` int64, not negative.
        scores: ``(n,)``.
        max_detections: Number of detections kept in each group, those with the highest scores.
    """
    by_key = np.argsort(object_keys, kind='stable')
    object_keys = object_keys[by_key]
    order = np.lexsort((-scores, detection_keys))
    keys = detection_keys[order]
    start = np.flatnonzero(np.diff(keys, prepend=-1))
    rank = np.arange(len(keys)) - start.repeat(np.diff(start, append=len(keys)))
    if max_detections is not None:
        kept = rank < max_detections
        order, keys, rank = order[kept], keys[kept], rank[kept]
        start = np.flatnonzero(np.diff(keys, prepend=-1))
    return MatchingGroups(
        detections=detections[order],
        rank=rank.astype(np.int32),
        objects=objects[by_key],
        detection_start=np.append(start, len(keys)),
        object_start=np.searchsorted(object_keys, keys[start], 'left'),
        object_end=np.searchsorted(object_keys, keys[start], 'right'),
    )


def compute_pairs(
    annotations: Annotations, detections: Detections, groups: MatchingGroups, part: slice
) -> Pairs:
    """Compute the IoU of all pairs of a part, between masks if the detections have masks."""
    detection_start = groups.detection_start[part.start : part.stop + 1]
    object_start, object_end = groups.object_start[part], groups.object_end[part]
    sizes = np.diff(detection_start) * (object_end - object_start)
    start = np.append(0, np.cumsum(sizes))
    pairs = Pairs(
        iou=np.empty(start[-1]),
        start=start,
        detection_start=detection_start - detection_start[0],
        object_start=object_start,
        object_end=object_end,
    )
    if detections.masks is None:
        _box_ious(
            detections.boxes[groups.detections[groups.columns(part)]],
            annotations.boxes[groups.objects],
            annotations.iscrowd[groups.objects],
            pairs,
        )
    else:
        _mask_ious(annotations, detections.masks, groups, part, pairs)
    return pairs


def _mask_ious(
    annotations: Annotations,
    masks: list[dict],
    groups: MatchingGroups,
    part: slice,
    pairs: Pairs,
) -> None:
    """Fill ``pairs.iou`` group by group with pycocotools' compiled code."""
    from pycocotools import mask as mask_api

    for g, start, end in zip(range(part.start, part.stop), pairs.start, pairs.start[1:]):
        if start == end:
            continue
        detections = groups.detections[groups.columns(slice(g, g + 1))]
        objects = groups.objects[groups.object_start[g] : groups.object_end[g]]
        crowd = annotations.iscrowd[objects].astype(int).tolist()
        object_masks = [annotations.masks[o] for o in objects]
        iou = mask_api.iou([masks[d] for d in detections], object_masks, crowd)
        pairs.iou[start:end] = iou.ravel()


@jit
def _box_ious(detection_boxes, object_boxes, crowd, pairs):  # pragma: no cover
    """Fill ``pairs.iou``; the arithmetic is that of pycocotools, operation by operation."""
    p = 0
    for g in range(len(pairs.object_start)):
        for d in range(pairs.detection_start[g], pairs.detection_start[g + 1]):
            x, y, width, height = detection_boxes[d]
            for o in range(pairs.object_start[g], pairs.object_end[g]):
                ox, oy, owidth, oheight = object_boxes[o]
                pairs.iou[p] = 0
                w = min(x + width, ox + owidth) - max(x, ox)
                if w > 0:
                    h = min(y + height, oy + oheight) - max(y, oy)
                    if h > 0:
                        shared = w * h
                        area = width * height
                        union = area if crowd[o] else area + owidth * oheight - shared
                        pairs.iou[p] = shared / union
                p += 1
