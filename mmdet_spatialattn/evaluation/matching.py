"""Matching of detections to objects by pycocotools' rules, compiled, for many scopes at once.

A *scope* is a part of the objects that is scored by itself: all objects, those of a COCO size,
those of a stratum. In a scope the objects outside it are ignore regions, as crowd regions are, and
a detection without a match counts as false only if it is countable there. pycocotools treats its
area ranges in the same way, so the matches can be compared with pycocotools' one by one.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, NamedTuple

import numpy as np

from ..coco import Annotations, Detections
from ..errors import UserError, did_you_mean
from ..jit import jit
from .pairs import MatchingGroups, compute_pairs, group_for_matching

# pycocotools' own expression: np.arange gives other last bits.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, int(np.round((0.95 - 0.5) / 0.05)) + 1, endpoint=True)
"""The ten IoU thresholds of COCO, bit for bit as in pycocotools."""

FALSE, TRUE, IGNORED = 0, 1, 2
"""Status of a detection in a scope at an IoU threshold."""


@dataclass(frozen=True, eq=False)
class Matches:
    """The detections of a run, sorted by class and falling score, and their status in each scope.

    Detections with equal scores are in the order of pycocotools: by image id, then by position in
    the file.

    Attributes:
        order: ``(n,)``, indices into the detections; those beyond ``max_detections`` are missing.
        category: ``(n,)`` int32, not falling.
        image: ``(n,)`` int32.
        scores: ``(n,)`` float64, falling within a class.
        rank: ``(n,)`` int32, number of detections of the same image and class with a higher score.
        status: ``(scopes, n, thresholds)`` uint8, one of FALSE, TRUE, IGNORED.
        matched_object: ``(scopes, n)`` int32, the object matched at the first threshold; -1 for
            none.
    """

    order: np.ndarray
    category: np.ndarray
    image: np.ndarray
    scores: np.ndarray
    rank: np.ndarray
    status: np.ndarray
    matched_object: np.ndarray


@dataclass(frozen=True, eq=False)
class _MatchingInputs:
    """The inputs of a matching backend; columns are in the order of the groups."""

    annotations: Annotations
    detections: Detections
    groups: MatchingGroups
    ignored: np.ndarray  # (scopes, objects) bool
    uncountable: np.ndarray  # (scopes, detections) bool
    thresholds: np.ndarray


class _Objects(NamedTuple):
    """Columns of the objects in the order of the groups, for the compiled loop."""

    row: np.ndarray  # of the annotations
    ignored: np.ndarray  # (scopes, objects)
    crowd: np.ndarray
    unmatchable: np.ndarray  # annotations with id 0, which pycocotools takes for "no match"


def match(
    annotations: Annotations,
    detections: Detections,
    inside: np.ndarray,
    countable: np.ndarray,
    *,
    max_detections: int = 100,
    thresholds: np.ndarray = IOU_THRESHOLDS,
    engine: str = 'auto',
    map_fn: Callable = map,
) -> Matches:
    """Match detections to the objects of their image and class, at every threshold in every scope.

    Args:
        annotations: The objects.
        detections: The detections; where they have masks, the IoU is that of the masks.
        inside: ``(scopes, objects)`` bool, the objects of each scope; a crowd region is in none.
        countable: ``(scopes, detections)`` bool, whether a detection without a match counts as
            false in each scope.
        max_detections: Number of detections of an image and class that count, those with the
            highest scores.
        thresholds: IoU thresholds.
        engine: Matching backend: ``'compiled'``, ``'pycocotools'`` (the slow reference), or
            ``'auto'``, which is ``'compiled'``.
        map_fn: Maps a function over the parts of the work, such as the ``map`` of a thread pool.

    Raises:
        UserError: ``engine`` is unknown.
    """
    engines = {
        'auto': _compiled,
        'compiled': _compiled,
        'pycocotools': _reference,
    }
    if engine not in engines:
        nearest = did_you_mean(engine, engines)
        raise UserError(f"unknown engine '{engine}'{nearest} (known: {', '.join(engines)})")
    n_images = np.int64(len(annotations.image_ids))
    groups = group_for_matching(
        np.arange(len(annotations)),
        annotations.category * n_images + annotations.image,
        np.arange(len(detections)),
        detections.category * n_images + detections.image,
        detections.scores,
        max_detections,
    )
    inputs = _MatchingInputs(
        annotations=annotations,
        detections=detections,
        groups=groups,
        ignored=(~inside | annotations.iscrowd)[:, groups.objects],
        uncountable=~countable[:, groups.detections],
        thresholds=thresholds,
    )
    category, scores = detections.category[groups.detections], detections.scores[groups.detections]
    by_score = np.lexsort((-scores, category))
    position = np.empty(len(by_score), np.int64)  # from the order of the groups to that of scores
    position[by_score] = np.arange(len(by_score))
    status = np.empty((len(inside), len(by_score), len(thresholds)), np.uint8)
    matched_object = np.empty(status.shape[:2], np.int32)
    parts = list(groups.parts())
    for part, columns in zip(parts, map_fn(partial(engines[engine], inputs), parts)):
        target = position[groups.columns(part)]
        status[:, target], matched_object[:, target] = columns
    return Matches(
        order=groups.detections[by_score],
        category=category[by_score],
        image=detections.image[groups.detections[by_score]],
        scores=scores[by_score],
        rank=groups.rank[by_score],
        status=status,
        matched_object=matched_object,
    )


def _compiled(inputs: _MatchingInputs, part: slice) -> tuple[np.ndarray, np.ndarray]:
    """Match the detections of a part; returns their columns of ``status`` and the objects."""
    annotations, groups = inputs.annotations, inputs.groups
    return _match(
        compute_pairs(annotations, inputs.detections, groups, part),
        _Objects(
            row=groups.objects,
            ignored=inputs.ignored,
            crowd=annotations.iscrowd[groups.objects],
            unmatchable=annotations.ids[groups.objects] == 0,
        ),
        inputs.uncountable[:, groups.columns(part)],
        np.minimum(inputs.thresholds, 1 - 1e-10),
    )


def _reference(inputs: _MatchingInputs, part: slice) -> tuple[np.ndarray, np.ndarray]:
    """Do the same as :func:`_compiled` with pycocotools, group by group, scope by scope."""
    from pycocotools.cocoeval import COCOeval

    groups, annotations = inputs.groups, inputs.annotations
    detections = inputs.detections
    object_shapes: Any = annotations.boxes
    detection_shapes: Any = detections.boxes
    shape_key, evaluator = 'bbox', COCOeval(iouType='bbox')
    if detections.masks is not None:
        object_shapes, detection_shapes = annotations.masks, detections.masks
        shape_key, evaluator = 'segmentation', COCOeval(iouType='segm')
    evaluator.params.iouThrs = inputs.thresholds
    begin, end = groups.detection_start[part.start], groups.detection_start[part.stop]
    n_scopes, n_thresholds = len(inputs.ignored), len(inputs.thresholds)
    status = np.empty((n_scopes, end - begin, n_thresholds), np.uint8)
    matched_object = np.empty((n_scopes, end - begin), np.int32)
    index = {object_id: i for i, object_id in enumerate(annotations.ids.tolist())}
    for g in range(part.start, part.stop):
        columns = groups.columns(slice(g, g + 1))
        members = slice(groups.object_start[g], groups.object_end[g])
        evaluator._gts[0, 0] = coco_objects = [
            {
                'id': int(annotations.ids[o]),
                'iscrowd': int(annotations.iscrowd[o]),
                shape_key: object_shapes[o],
            }
            for o in groups.objects[members]
        ]
        evaluator._dts[0, 0] = coco_detections = [
            {'id': n + 1, 'score': detections.scores[d], shape_key: detection_shapes[d]}
            for n, d in enumerate(groups.detections[columns])
        ]
        evaluator.params.maxDets = [len(coco_detections)]
        evaluator.ious = {(0, 0): evaluator.computeIoU(0, 0)}
        target = slice(columns.start - begin, columns.stop - begin)
        for scope in range(n_scopes):
            for coco_object, ignored in zip(coco_objects, inputs.ignored[scope, members]):
                coco_object.update(ignore=int(ignored), area=0)
            uncountable = inputs.uncountable[scope, columns]
            for coco_detection, out_of_range in zip(coco_detections, uncountable):
                coco_detection.update(area=int(out_of_range))
            result = evaluator.evaluateImg(0, 0, (0, 0.5), len(coco_detections))
            matched = result['dtMatches'].astype(int)
            state = np.where(result['dtIgnore'], IGNORED, np.where(matched != 0, TRUE, FALSE))
            status[scope, target] = state.T
            matched_object[scope, target] = [index[m] if m else -1 for m in matched[0]]
    return status, matched_object


@jit
def _match(pairs, objects, uncountable, thresholds):  # pragma: no cover
    n_scopes, n = uncountable.shape
    status = np.empty((n_scopes, n, len(thresholds)), np.uint8)
    matched_object = np.full((n_scopes, n), -1, np.int32)
    largest = (pairs.object_end - pairs.object_start).max() if len(pairs.object_start) else 0
    candidates = np.empty(largest, np.int64)
    taken = np.empty(largest, np.bool_)
    near = np.empty(n, np.bool_)
    lowest = thresholds.min()
    for scope in range(n_scopes):
        for d in range(n):
            status[scope, d] = IGNORED if uncountable[scope, d] else FALSE
    for g in range(len(pairs.object_start)):
        first = pairs.object_start[g]
        n_objects = pairs.object_end[g] - first
        d_start, d_end = pairs.detection_start[g], pairs.detection_start[g + 1]
        any_near = False
        for d in range(d_start, d_end):
            row = pairs.start[g] + (d - d_start) * n_objects
            near[d] = False
            for o in range(n_objects):
                # Not "iou >= lowest": the IoU of two boxes without area is not a number.
                near[d] |= not pairs.iou[row + o] < lowest
            any_near |= near[d]
        if not any_near:
            continue
        for scope in range(n_scopes):
            # Regular objects come first, ignored ones after them, each in the order of the file.
            n_regular = 0
            for o in range(n_objects):
                if not objects.ignored[scope, first + o]:
                    candidates[n_regular] = o
                    n_regular += 1
            last = n_regular
            for o in range(n_objects):
                if objects.ignored[scope, first + o]:
                    candidates[last] = o
                    last += 1
            for t in range(len(thresholds)):
                taken[:n_objects] = False
                for d in range(d_start, d_end):
                    if not near[d]:
                        continue
                    row = pairs.start[g] + (d - d_start) * n_objects
                    best_iou = thresholds[t]
                    best = -1
                    for c in range(n_objects):
                        o = candidates[c]
                        if taken[o] and not objects.crowd[first + o]:
                            continue
                        if c >= n_regular and 0 <= best < n_regular:
                            break
                        if pairs.iou[row + o] < best_iou:
                            continue
                        best_iou = pairs.iou[row + o]
                        best = c
                    if best >= 0:
                        o = candidates[best]
                        taken[o] = True
                        if best >= n_regular:
                            status[scope, d, t] = IGNORED
                        elif not objects.unmatchable[first + o]:
                            status[scope, d, t] = TRUE
                        if t == 0 and not objects.unmatchable[first + o]:
                            matched_object[scope, d] = objects.row[first + o]
    return status, matched_object
