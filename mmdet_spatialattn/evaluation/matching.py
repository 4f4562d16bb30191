"""Which detection finds which object: pycocotools' rules, compiled, for many scopes at once.

A *scope* is a part of the objects that is scored by itself: all, those of a COCO size, those of a
stratum. The objects outside a scope are ignored regions in it, as crowd regions are, and a
detection that matches nothing counts as false in the scopes it is charged to. That is what
pycocotools does with its area ranges, so equality can be tested match for match.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

import numpy as np

from ..errors import UserError, did_you_mean
from ._jit import jit
from .coco import Annotations, Detections

# pycocotools' own expression: np.arange gives other last bits.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, int(np.round((0.95 - 0.5) / 0.05)) + 1, endpoint=True)
"""The ten IoU thresholds of COCO, bit for bit as pycocotools has them."""

FALSE, TRUE, IGNORED = 0, 1, 2
"""What a detection is in a scope at a threshold."""

_CHUNK = 1 << 21  # pairs of a detection and an object whose IoU is held at once


@dataclass(frozen=True, eq=False)
class Matches:
    """The detections of a run that count, by class and falling score, and what each of them is.

    Where scores tie, the order is that of pycocotools: image id, then place in the file.

    Attributes:
        order: ``(n,)`` index into the detections; those beyond the cap are missing.
        category: ``(n,)`` int32, not falling.
        image: ``(n,)`` int32.
        scores: ``(n,)`` float64, falling within a class.
        rank: ``(n,)`` int32, how many of the same image and class come before.
        status: ``(scopes, n, thresholds)`` uint8, one of FALSE, TRUE, IGNORED.
        first: ``(scopes, n)`` int32, the object matched at the first threshold, -1 for none.
    """

    order: np.ndarray
    category: np.ndarray
    image: np.ndarray
    scores: np.ndarray
    rank: np.ndarray
    status: np.ndarray
    first: np.ndarray


@dataclass(frozen=True, eq=False)
class _Groups:
    """Detections and objects sorted into groups: the pairs of an image and a class.

    The ``n`` detections stand group by group with falling score, the objects group by group in the
    order of the file. Group ``g`` has the detections ``start[g]:start[g + 1]`` and the objects
    ``object_start[g]:object_end[g]``.
    """

    detections: np.ndarray  # index into Detections
    category: np.ndarray
    image: np.ndarray
    scores: np.ndarray
    rank: np.ndarray
    objects: np.ndarray  # index into Annotations
    start: np.ndarray
    object_start: np.ndarray
    object_end: np.ndarray


@dataclass(frozen=True, eq=False)
class _Problem:
    """What an engine works on. Columns are in the order of the groups."""

    annotations: Annotations
    detections: Detections
    groups: _Groups
    ignored: np.ndarray  # (scopes, objects)
    uncharged: np.ndarray  # (scopes, detections)
    thresholds: np.ndarray


def match(
    annotations: Annotations,
    detections: Detections,
    inside: np.ndarray,
    charged: np.ndarray,
    max_detections: int = 100,
    thresholds: np.ndarray = IOU_THRESHOLDS,
    engine: str = 'auto',
    run: Callable = map,
) -> Matches:
    """Match detections to objects of their image and class, at every threshold in every scope.

    Args:
        annotations: The objects.
        detections: What was found; where they have masks, IoU is that of the masks.
        inside: ``(scopes, objects)`` bool, the objects of each scope; a crowd region is in none.
        charged: ``(scopes, detections)`` bool: without a match, it counts as false there.
        max_detections: Only so many of the highest scores of an image and class count.
        thresholds: IoU thresholds.
        engine: ``'compiled'``; ``'pycocotools'``, the slow reference; ``'auto'`` is the first.
        run: Maps a function over parts of the work: the ``map`` of a thread pool uses its threads.

    Raises:
        UserError: ``engine`` is unknown.
    """
    engines = {'auto': _compiled, 'compiled': _compiled, 'pycocotools': _reference}
    if engine not in engines:
        nearest = did_you_mean(engine, engines)
        raise UserError(f"unknown engine '{engine}'{nearest} (known: {', '.join(engines)})")
    groups = _group(annotations, detections, max_detections)
    problem = _Problem(
        annotations=annotations,
        detections=detections,
        groups=groups,
        ignored=(~inside | annotations.iscrowd)[:, groups.objects],
        uncharged=~charged[:, groups.detections],
        thresholds=thresholds,
    )
    by_score = np.lexsort((-groups.scores, groups.category))
    position = np.empty(len(by_score), np.int64)
    position[by_score] = np.arange(len(by_score))
    status = np.empty((len(inside), len(by_score), len(thresholds)), np.uint8)
    first = np.empty(status.shape[:2], np.int32)
    parts = list(_parts(groups))
    for part, result in zip(parts, run(partial(engines[engine], problem), parts)):
        place = position[groups.start[part.start] : groups.start[part.stop]]
        status[:, place], first[:, place] = result
    return Matches(
        order=groups.detections[by_score],
        category=groups.category[by_score],
        image=groups.image[by_score],
        scores=groups.scores[by_score],
        rank=groups.rank[by_score],
        status=status,
        first=first,
    )


def _group(annotations: Annotations, detections: Detections, cap: int) -> _Groups:
    n_images = len(annotations.image_ids)
    object_key = annotations.category * np.int64(n_images) + annotations.image
    objects = np.argsort(object_key, kind='stable')
    object_key = object_key[objects]
    key = detections.category * np.int64(n_images) + detections.image
    order = np.lexsort((-detections.scores, key))
    key = key[order]
    start = np.flatnonzero(np.diff(key, prepend=-1))
    rank = np.arange(len(key)) - start.repeat(np.diff(start, append=len(key)))
    order, key, rank = order[rank < cap], key[rank < cap], rank[rank < cap]
    start = np.flatnonzero(np.diff(key, prepend=-1))
    return _Groups(
        detections=order,
        category=detections.category[order],
        image=detections.image[order],
        scores=detections.scores[order],
        rank=rank.astype(np.int32),
        objects=objects,
        start=np.append(start, len(key)),
        object_start=np.searchsorted(object_key, key[start], 'left'),
        object_end=np.searchsorted(object_key, key[start], 'right'),
    )


def _parts(groups: _Groups) -> Iterator[slice]:
    """Yield runs of groups with a bounded number of pairs, for memory and threads."""
    n_detections = np.diff(groups.start)
    # The detections count too: most groups of a long-tailed set have no object.
    work = np.cumsum(n_detections * (groups.object_end - groups.object_start + 1))
    begin = 0
    while begin < len(work):
        done = work[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(work, done + _CHUNK, 'right')))
        yield slice(begin, end)
        begin = end


def _compiled(problem: _Problem, part: slice) -> tuple[np.ndarray, np.ndarray]:
    """Match one part; returns its columns of ``status`` and ``first``."""
    groups = problem.groups
    start = groups.start[part.start : part.stop + 1]
    ranges = (start - start[0], groups.object_start[part], groups.object_end[part])
    sizes = np.diff(start) * (ranges[2] - ranges[1])
    pair_start = np.append(0, np.cumsum(sizes))
    mine = slice(start[0], start[-1])
    ids, crowd = (getattr(problem.annotations, k)[groups.objects] for k in ('ids', 'iscrowd'))
    iou = np.empty(pair_start[-1])
    if problem.detections.masks is None:
        found, objects = groups.detections[mine], groups.objects
        boxes, object_boxes = problem.detections.boxes[found], problem.annotations.boxes[objects]
        _box_ious(boxes, object_boxes, crowd, *ranges, iou)
    else:
        _mask_ious(problem, part, pair_start, iou)
    return _match(
        iou,
        pair_start,
        *ranges,
        problem.ignored,
        crowd,
        ids == 0,
        groups.objects,
        problem.uncharged[:, mine],
        np.minimum(problem.thresholds, 1 - 1e-10),
    )


def _mask_ious(problem: _Problem, part: slice, pair_start: np.ndarray, iou: np.ndarray) -> None:
    """Fill ``iou`` group by group, with pycocotools' compiled code."""
    from pycocotools import mask as mask_api

    groups, masks = problem.groups, problem.detections.masks or []
    for group, at, end in zip(range(part.start, part.stop), pair_start, pair_start[1:]):
        if at == end:
            continue
        found = groups.detections[groups.start[group] : groups.start[group + 1]]
        objects = groups.objects[groups.object_start[group] : groups.object_end[group]]
        crowd = problem.annotations.iscrowd[objects].astype(int).tolist()
        shapes = [problem.annotations.masks[o] for o in objects]
        iou[at:end] = mask_api.iou([masks[d] for d in found], shapes, crowd).ravel()


def _reference(problem: _Problem, part: slice) -> tuple[np.ndarray, np.ndarray]:
    """Do the same with pycocotools itself, group by group and scope by scope."""
    from pycocotools.cocoeval import COCOeval

    groups, annotations, detections = problem.groups, problem.annotations, problem.detections
    shapes: Any = annotations.boxes
    found_shapes: Any = detections.boxes
    kind, evaluator = 'bbox', COCOeval(iouType='bbox')
    if detections.masks is not None:
        shapes, found_shapes = annotations.masks, detections.masks
        kind, evaluator = 'segmentation', COCOeval(iouType='segm')
    evaluator.params.iouThrs = problem.thresholds
    begin = groups.start[part.start]
    shape = (len(problem.ignored), groups.start[part.stop] - begin, len(problem.thresholds))
    status, first = np.empty(shape, np.uint8), np.empty(shape[:2], np.int32)
    index = {object_id: i for i, object_id in enumerate(annotations.ids.tolist())}
    for group in range(part.start, part.stop):
        columns = slice(groups.start[group], groups.start[group + 1])
        members = slice(groups.object_start[group], groups.object_end[group])
        evaluator._gts[0, 0] = objects = [
            {'id': int(annotations.ids[o]), 'iscrowd': int(annotations.iscrowd[o]), kind: shapes[o]}
            for o in groups.objects[members]
        ]
        evaluator._dts[0, 0] = found = [
            {'id': n + 1, 'score': detections.scores[d], kind: found_shapes[d]}
            for n, d in enumerate(groups.detections[columns])
        ]
        evaluator.params.maxDets = [len(found)]
        evaluator.ious = {(0, 0): evaluator.computeIoU(0, 0)}
        mine = slice(columns.start - begin, columns.stop - begin)
        for scope in range(shape[0]):
            for entry, ignored in zip(objects, problem.ignored[scope, members]):
                entry.update(ignore=int(ignored), area=0)
            for entry, uncharged in zip(found, problem.uncharged[scope, columns]):
                entry.update(area=int(uncharged))
            result = evaluator.evaluateImg(0, 0, (0, 0.5), len(found))
            matched = result['dtMatches'].astype(int)
            state = np.where(result['dtIgnore'], IGNORED, np.where(matched != 0, TRUE, FALSE))
            status[scope, mine] = state.T
            first[scope, mine] = [index[m] if m else -1 for m in matched[0]]
    return status, first


@jit
def _box_ious(found, objects, crowd, start, object_start, object_end, iou):  # pragma: no cover
    """Fill ``iou`` group by group; the arithmetic is pycocotools', operation by operation."""
    at = 0
    for group in range(len(object_start)):
        for d in range(start[group], start[group + 1]):
            x, y, width, height = found[d]
            for o in range(object_start[group], object_end[group]):
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


@jit
def _match(
    iou, pair_start, start, object_start, object_end, ignored, crowd, unmatchable, objects,
    uncharged, thresholds,
):  # fmt: skip  # pragma: no cover
    n_scopes, n = uncharged.shape
    status = np.empty((n_scopes, n, len(thresholds)), np.uint8)
    first = np.full((n_scopes, n), -1, np.int32)
    largest = (object_end - object_start).max() if len(object_start) else 0
    candidates = np.empty(largest, np.int64)
    taken = np.empty(largest, np.bool_)
    near = np.empty(n, np.bool_)
    lowest = thresholds.min()
    for scope in range(n_scopes):
        for d in range(n):
            status[scope, d] = IGNORED if uncharged[scope, d] else FALSE
    for group in range(len(object_start)):
        o0 = object_start[group]
        n_objects = object_end[group] - o0
        any_near = False
        for d in range(start[group], start[group + 1]):
            row = pair_start[group] + (d - start[group]) * n_objects
            near[d] = False
            for o in range(n_objects):
                # Not "iou >= lowest": the IoU of two boxes without area is not a number.
                near[d] |= not iou[row + o] < lowest
            any_near |= near[d]
        if not any_near:
            continue
        for scope in range(n_scopes):
            # Objects that count come first, ignored ones after them, each in the order of the file.
            regular = 0
            for o in range(n_objects):
                if not ignored[scope, o0 + o]:
                    candidates[regular] = o
                    regular += 1
            last = regular
            for o in range(n_objects):
                if ignored[scope, o0 + o]:
                    candidates[last] = o
                    last += 1
            for t in range(len(thresholds)):
                taken[:n_objects] = False
                for d in range(start[group], start[group + 1]):
                    if not near[d]:
                        continue
                    row = pair_start[group] + (d - start[group]) * n_objects
                    best = thresholds[t]
                    found = -1
                    for c in range(n_objects):
                        o = candidates[c]
                        if taken[o] and not crowd[o0 + o]:
                            continue
                        if c >= regular and 0 <= found < regular:
                            break
                        if iou[row + o] < best:
                            continue
                        best = iou[row + o]
                        found = c
                    if found >= 0:
                        o = candidates[found]
                        taken[o] = True
                        if found >= regular:
                            status[scope, d, t] = IGNORED
                        elif not unmatchable[o0 + o]:
                            status[scope, d, t] = TRUE
                        if t == 0 and not unmatchable[o0 + o]:
                            first[scope, d] = objects[o0 + o]
    return status, first
