"""Which detection finds which object: pycocotools' rules, compiled, for many scopes at once.

A *scope* is a part of the objects that is scored by itself: all, those of a COCO size, those of a
stratum. The objects outside a scope are ignored regions in it, as crowd regions are, and a
detection that matches nothing counts as false in the scopes it is charged to. That is what
pycocotools does with its area ranges, so equality can be tested match for match.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

import numpy as np

from ..coco import Annotations, Detections
from ..errors import UserError, did_you_mean
from ..jit import jit
from .pairs import Groups, group, pairs

# pycocotools' own expression: np.arange gives other last bits.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, int(np.round((0.95 - 0.5) / 0.05)) + 1, endpoint=True)
"""The ten IoU thresholds of COCO, bit for bit as pycocotools has them."""

FALSE, TRUE, IGNORED = 0, 1, 2
"""What a detection is in a scope at a threshold."""


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
class _Problem:
    """What an engine works on. Columns are in the order of the groups."""

    annotations: Annotations
    detections: Detections
    groups: Groups
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
    n_images = np.int64(len(annotations.image_ids))
    groups = group(
        np.arange(len(annotations)),
        annotations.category * n_images + annotations.image,
        np.arange(len(detections)),
        detections.category * n_images + detections.image,
        detections.scores,
        max_detections,
    )
    problem = _Problem(
        annotations=annotations,
        detections=detections,
        groups=groups,
        ignored=(~inside | annotations.iscrowd)[:, groups.objects],
        uncharged=~charged[:, groups.detections],
        thresholds=thresholds,
    )
    category, scores = detections.category[groups.detections], detections.scores[groups.detections]
    by_score = np.lexsort((-scores, category))
    position = np.empty(len(by_score), np.int64)
    position[by_score] = np.arange(len(by_score))
    status = np.empty((len(inside), len(by_score), len(thresholds)), np.uint8)
    first = np.empty(status.shape[:2], np.int32)
    parts = list(groups.parts())
    for part, result in zip(parts, run(partial(engines[engine], problem), parts)):
        place = position[groups.start[part.start] : groups.start[part.stop]]
        status[:, place], first[:, place] = result
    return Matches(
        order=groups.detections[by_score],
        category=category[by_score],
        image=detections.image[groups.detections[by_score]],
        scores=scores[by_score],
        rank=groups.rank[by_score],
        status=status,
        first=first,
    )


def _compiled(problem: _Problem, part: slice) -> tuple[np.ndarray, np.ndarray]:
    """Match one part; returns its columns of ``status`` and ``first``."""
    annotations, groups = problem.annotations, problem.groups
    found = pairs(annotations, problem.detections, groups, part)
    return _match(
        found.iou,
        found.pair_start,
        found.start,
        found.object_start,
        found.object_end,
        problem.ignored,
        annotations.iscrowd[groups.objects],
        annotations.ids[groups.objects] == 0,
        groups.objects,
        problem.uncharged[:, found.columns],
        np.minimum(problem.thresholds, 1 - 1e-10),
    )


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
    for g in range(part.start, part.stop):
        columns = slice(groups.start[g], groups.start[g + 1])
        members = slice(groups.object_start[g], groups.object_end[g])
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
    for g in range(len(object_start)):
        o0 = object_start[g]
        n_objects = object_end[g] - o0
        any_near = False
        for d in range(start[g], start[g + 1]):
            row = pair_start[g] + (d - start[g]) * n_objects
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
                for d in range(start[g], start[g + 1]):
                    if not near[d]:
                        continue
                    row = pair_start[g] + (d - start[g]) * n_objects
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
