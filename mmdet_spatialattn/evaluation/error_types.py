"""Why detections are false and objects are missed: the error types of TIDE.

Paper:   Bolya et al., TIDE: A General Toolbox for Identifying Object Detection Errors, ECCV 2020
         https://arxiv.org/abs/2008.08115
Differs: the matches are COCO's (100 detections of an image and class count, not of an image); a
         class without objects has no AP, where TIDE gives it 0; an effect may be negative, where
         TIDE writes 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

import numpy as np

from ..coco import Annotations, Detections
from ..jit import jit
from .matching import FALSE, Matches
from .pairs import group, pairs

ERROR_TYPES = ('class', 'localisation', 'both', 'duplicate', 'background', 'missed')
"""What can be wrong. All but the last are false detections, coded 1 to 5."""

CLASS, LOCALISATION, BOTH, DUPLICATE, BACKGROUND = range(1, 6)

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
"""``t_f`` and ``t_b`` of the paper."""


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of a run in one scope, at IoU 0.5.

    Attributes:
        kind: ``(n,)`` uint8, the error of each detection in the order of the matches; 0 for none.
        target: ``(n,)`` int32: put right, a class or localisation error would find this object.
            -1 for no object: it is found already, or by an error with a higher score.
        missed: ``(objects,)`` bool, the objects that no detection finds, nor would, put right.
    """

    kind: np.ndarray
    target: np.ndarray
    missed: np.ndarray


def find_errors(
    annotations: Annotations,
    detections: Detections,
    matches: Matches,
    inside: np.ndarray,
    which: Sequence[int],
    run: Callable = map,
) -> list[Errors]:
    """Sort the false detections of some scopes by their cause, and find the missed objects.

    Args:
        annotations: The objects.
        detections: What was found.
        matches: What each detection is; the first threshold must be 0.5.
        inside: ``(scopes, objects)`` bool, the objects of each scope.
        which: The scopes wanted.
        run: As for :func:`~mmdet_spatialattn.evaluation.matching.match`.
    """
    in_file = np.argsort(matches.order)  # ties of scores: the order of the file
    objects = np.flatnonzero(~annotations.iscrowd)
    groups = group(
        objects,
        annotations.image[objects].astype(np.int64),
        matches.order[in_file],
        matches.image[in_file].astype(np.int64),
        matches.scores[in_file],
    )
    position = np.empty(len(detections), np.int64)
    position[matches.order] = np.arange(len(matches.order))
    place = position[groups.detections]  # from the order of the groups to that of the matches

    scopes = list(which)
    used = np.zeros((len(scopes), len(annotations)), bool)
    for row, found in zip(used, matches.first[scopes]):
        row[found[found >= 0]] = True
    false = (matches.status[scopes, :, 0] == FALSE)[:, place]

    def explain(part: slice) -> tuple[slice, np.ndarray, np.ndarray]:
        found = pairs(annotations, detections, groups, part)
        kind, target = _explain(
            found.iou,
            found.pair_start,
            found.start,
            found.object_start,
            found.object_end,
            annotations.category[groups.objects],
            detections.category[groups.detections[found.columns]],
            used[:, groups.objects],
            inside[scopes][:, groups.objects],
            false[:, found.columns],
        )
        return found.columns, kind, np.where(target < 0, -1, groups.objects[target])

    kind = np.zeros(false.shape, np.uint8)
    target = np.full(false.shape, -1, np.int64)
    for columns, part_kind, part_target in run(explain, list(groups.parts())):
        kind[:, place[columns]] = part_kind
        target[:, place[columns]] = part_target
    errors = []
    for i, scope in enumerate(scopes):
        missed = inside[scope] & ~used[i]
        missed[target[i, target[i] >= 0]] = False
        errors.append(Errors(kind[i], target[i], missed))
    return errors


@jit
def _explain(
    iou, pair_start, start, object_start, object_end, object_class, found_class, used, inside, false
):  # pragma: no cover
    n_scopes, n = false.shape
    kind = np.zeros((n_scopes, n), np.uint8)
    target = np.full((n_scopes, n), -1, np.int64)
    claimed = np.zeros(used.shape, np.bool_)
    for g in range(len(object_start)):
        n_objects = object_end[g] - object_start[g]
        for d in range(start[g], start[g + 1]):  # by falling score: the first claim counts
            row = pair_start[g] + (d - start[g]) * n_objects
            same, other, same_object, other_object = 0.0, 0.0, -1, -1
            for o in range(n_objects):
                value = iou[row + o]
                if object_class[object_start[g] + o] == found_class[d]:
                    if value > same:
                        same, same_object = value, object_start[g] + o
                elif value > other:
                    other, other_object = value, object_start[g] + o
            for scope in range(n_scopes):
                if not false[scope, d]:
                    continue
                wanted = -1
                if BACKGROUND_IOU <= same <= FOREGROUND_IOU:
                    kind[scope, d], wanted = LOCALISATION, same_object
                elif other >= FOREGROUND_IOU:
                    kind[scope, d], wanted = CLASS, other_object
                elif same >= FOREGROUND_IOU:
                    # Same class and close enough, yet false: the object was taken.
                    kind[scope, d] = DUPLICATE
                elif max(same, other) <= BACKGROUND_IOU:
                    kind[scope, d] = BACKGROUND
                else:
                    kind[scope, d] = BOTH
                if (
                    wanted >= 0
                    and inside[scope, wanted]
                    and not used[scope, wanted]
                    and not claimed[scope, wanted]
                ):
                    claimed[scope, wanted] = True
                    target[scope, d] = wanted
    return kind, target
