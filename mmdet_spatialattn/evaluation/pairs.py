"""Groups of detections and objects that can meet, and the IoU of every pair in a group."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

import numpy as np

from ..coco import Annotations, Detections
from ..jit import jit

_CHUNK = 1 << 21  # pairs of a detection and an object whose IoU is held at once


@dataclass(frozen=True, eq=False)
class Groups:
    """Detections and objects sorted into groups: the same image, or the same image and class.

    The ``n`` detections stand group by group with falling score, the objects group by group in the
    order of the file. Only groups with detections exist.

    Attributes:
        detections: ``(n,)`` index into the detections.
        rank: ``(n,)`` int32, how many of the same group come before.
        objects: Index into the objects.
        start: ``(groups + 1,)``: group ``g`` has the detections ``start[g]:start[g + 1]``
        object_start: ``(groups,)``: and the objects ``object_start[g]:object_end[g]``.
        object_end: ``(groups,)``.
    """

    detections: np.ndarray
    rank: np.ndarray
    objects: np.ndarray
    start: np.ndarray
    object_start: np.ndarray
    object_end: np.ndarray

    def parts(self) -> Iterator[slice]:
        """Yield runs of groups with a bounded number of pairs, for memory and threads."""
        # The detections count too: most groups of a long-tailed set have no object.
        sizes = np.diff(self.start) * (self.object_end - self.object_start + 1)
        work = np.cumsum(sizes)
        begin = 0
        while begin < len(work):
            done = work[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(work, done + _CHUNK, 'right')))
            yield slice(begin, end)
            begin = end


@dataclass(frozen=True, eq=False)
class Pairs:
    """A run of groups with the IoU of every pair; detections are counted from its first one.

    Attributes:
        iou: Group by group, detection by detection, object by object.
        pair_start: ``(groups + 1,)``, where each group starts in ``iou``.
        start, object_start, object_end: As in :class:`Groups`.
        columns: Which of the detections of the groups these are.
    """

    iou: np.ndarray
    pair_start: np.ndarray
    start: np.ndarray
    object_start: np.ndarray
    object_end: np.ndarray
    columns: slice


def group(
    objects: np.ndarray,
    object_keys: np.ndarray,
    detections: np.ndarray,
    keys: np.ndarray,
    scores: np.ndarray,
    cap: Optional[int] = None,
) -> Groups:
    """Sort objects and detections into groups of one key; ties of scores keep their order.

    Args:
        objects: ``(m,)`` indices, in the order of the file.
        object_keys: ``(m,)`` int64.
        detections: ``(n,)`` indices, in the order of the file.
        keys: ``(n,)`` int64, not negative.
        scores: ``(n,)``.
        cap: Only so many of the highest scores of a group are kept.
    """
    by_key = np.argsort(object_keys, kind='stable')
    object_keys = object_keys[by_key]
    order = np.lexsort((-scores, keys))
    keys = keys[order]
    start = np.flatnonzero(np.diff(keys, prepend=-1))
    rank = np.arange(len(keys)) - start.repeat(np.diff(start, append=len(keys)))
    if cap is not None:
        order, keys, rank = order[rank < cap], keys[rank < cap], rank[rank < cap]
        start = np.flatnonzero(np.diff(keys, prepend=-1))
    return Groups(
        detections=detections[order],
        rank=rank.astype(np.int32),
        objects=objects[by_key],
        start=np.append(start, len(keys)),
        object_start=np.searchsorted(object_keys, keys[start], 'left'),
        object_end=np.searchsorted(object_keys, keys[start], 'right'),
    )


def pairs(annotations: Annotations, detections: Detections, groups: Groups, part: slice) -> Pairs:
    """Compute the IoU of the pairs of some groups: of masks where the detections have them."""
    start = groups.start[part.start : part.stop + 1]
    object_start, object_end = groups.object_start[part], groups.object_end[part]
    pair_start = np.append(0, np.cumsum(np.diff(start) * (object_end - object_start)))
    found = Pairs(
        iou=np.empty(pair_start[-1]),
        pair_start=pair_start,
        start=start - start[0],
        object_start=object_start,
        object_end=object_end,
        columns=slice(start[0], start[-1]),
    )
    if detections.masks is None:
        _box_ious(
            detections.boxes[groups.detections[found.columns]],
            annotations.boxes[groups.objects],
            annotations.iscrowd[groups.objects],
            found.start,
            object_start,
            object_end,
            found.iou,
        )
    else:
        _mask_ious(annotations, detections, groups, part, found)
    return found


def _mask_ious(
    annotations: Annotations, detections: Detections, groups: Groups, part: slice, found: Pairs
) -> None:
    """Fill ``iou`` group by group, with pycocotools' compiled code."""
    from pycocotools import mask as mask_api

    masks = detections.masks or []
    for g, at, end in zip(range(part.start, part.stop), found.pair_start, found.pair_start[1:]):
        if at == end:
            continue
        mine = groups.detections[groups.start[g] : groups.start[g + 1]]
        objects = groups.objects[groups.object_start[g] : groups.object_end[g]]
        crowd = annotations.iscrowd[objects].astype(int).tolist()
        shapes = [annotations.masks[o] for o in objects]
        found.iou[at:end] = mask_api.iou([masks[d] for d in mine], shapes, crowd).ravel()


@jit
def _box_ious(found, objects, crowd, start, object_start, object_end, iou):  # pragma: no cover
    """Fill ``iou`` group by group; the arithmetic is pycocotools', operation by operation."""
    at = 0
    for g in range(len(object_start)):
        for d in range(start[g], start[g + 1]):
            x, y, width, height = found[d]
            for o in range(object_start[g], object_end[g]):
                ox, oy, owidth, oheight = objects[o]
                iou[at] = 0
                w = min(x + width, ox + owidth) - max(x, ox)
                if w > 0:
                    h = min(y + height, oy + oheight) - max(y, oy)
                    if h > 0:
                        shared = w * h
                        own = width * height
                        union = own if crowd[o] else own + owidth * oheight - shared
                        iou[at] = shared / union
                at += 1
