"""Causes of false detections and missed objects: the error types of TIDE.

Paper:   Bolya et al., TIDE: A General Toolbox for Identifying Object Detection Errors, ECCV 2020
         https://arxiv.org/abs/2008.08115
Differs: the matches are COCO's (100 detections of an image and class count, not 100 of an image);
         a class without objects has no AP, where TIDE gives it 0; an effect may be negative, where
         TIDE reports 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

import numpy as np

from ..coco import Annotations, Detections
from ..jit import jit
from .matching import FALSE, Matches
from .pairs import compute_pairs, group_for_matching

ERROR_TYPES = ('class', 'localisation', 'both', 'duplicate', 'background', 'missed')
"""The error types. All but the last are false detections, coded 1 to 5."""

CLASS, LOCALISATION, BOTH, DUPLICATE, BACKGROUND = range(1, 6)
"""Codes of the error types that are false detections; 0 is the code of no error."""

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
"""Thresholds ``t_f`` and ``t_b`` of the paper."""


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of a run in one scope, at IoU 0.5.

    Attributes:
        code: ``(n,)`` uint8, the error type of each detection in the order of the matches; 0 for
            no error.
        target: ``(n,)`` int64, the object that a class or localisation error would match if it
            were corrected; -1 if there is none, or another detection matches it already.
        missed: ``(objects,)`` bool, the objects that no detection matches, nor would match if its
            error were corrected.
    """

    code: np.ndarray
    target: np.ndarray
    missed: np.ndarray

    def count(self) -> dict[str, int]:
        """Return the number of errors of each type."""
        counts = np.bincount(self.code, minlength=len(ERROR_TYPES))[1:]
        return dict(zip(ERROR_TYPES, [*counts.tolist(), int(self.missed.sum())]))


def find_errors(
    annotations: Annotations,
    detections: Detections,
    matches: Matches,
    inside: np.ndarray,
    scopes: Sequence[int],
    map_fn: Callable = map,
) -> list[Errors]:
    """Classify the false detections of each scope by their cause, and find its missed objects.

    Args:
        annotations: The objects.
        detections: The detections.
        matches: Their matches; the first threshold must be 0.5.
        inside: ``(scopes, objects)`` bool, the objects of each scope of the matches.
        scopes: Indices of the scopes to look at.
        map_fn: As for :func:`~mmdet_spatialattn.evaluation.matching.match`.
    """
    by_file = np.argsort(matches.order)  # where scores tie, the order of the file decides
    objects = np.flatnonzero(~annotations.iscrowd)
    groups = group_for_matching(
        objects,
        annotations.image[objects].astype(np.int64),
        matches.order[by_file],
        matches.image[by_file].astype(np.int64),
        matches.scores[by_file],
    )
    position = np.empty(len(detections), np.int64)
    position[matches.order] = np.arange(len(matches.order))
    position = position[groups.detections]  # from the order of the groups to that of the matches

    rows = list(scopes)
    used = np.zeros((len(rows), len(annotations)), bool)
    for row, matched in zip(used, matches.matched_object[rows]):
        row[matched[matched >= 0]] = True
    false = (matches.status[rows, :, 0] == FALSE)[:, position]

    def classify(part: slice) -> tuple[slice, np.ndarray, np.ndarray]:
        columns = groups.columns(part)
        code, target = _classify(
            compute_pairs(annotations, detections, groups, part),
            annotations.category[groups.objects],
            detections.category[groups.detections[columns]],
            used[:, groups.objects],
            inside[rows][:, groups.objects],
            false[:, columns],
        )
        has_target = target >= 0
        target[has_target] = groups.objects[target[has_target]]
        return columns, code, target

    code = np.zeros(false.shape, np.uint8)
    target = np.full(false.shape, -1, np.int64)
    for columns, part_code, part_target in map_fn(classify, list(groups.parts())):
        code[:, position[columns]] = part_code
        target[:, position[columns]] = part_target
    errors = []
    for i, scope in enumerate(rows):
        missed = inside[scope] & ~used[i]
        missed[target[i, target[i] >= 0]] = False
        errors.append(Errors(code[i], target[i], missed))
    return errors


@jit
def _classify(pairs, object_class, detection_class, used, inside, false):  # pragma: no cover
    n_scopes, n = false.shape
    code = np.zeros((n_scopes, n), np.uint8)
    target = np.full((n_scopes, n), -1, np.int64)
    claimed = np.zeros(used.shape, np.bool_)
    for g in range(len(pairs.object_start)):
        first = pairs.object_start[g]
        n_objects = pairs.object_end[g] - first
        d_start, d_end = pairs.detection_start[g], pairs.detection_start[g + 1]
        for d in range(d_start, d_end):  # by falling score: the first claim counts
            row = pairs.start[g] + (d - d_start) * n_objects
            same_iou, other_iou, same_object, other_object = 0.0, 0.0, -1, -1
            for o in range(n_objects):
                iou = pairs.iou[row + o]
                if object_class[first + o] == detection_class[d]:
                    if iou > same_iou:
                        same_iou, same_object = iou, first + o
                elif iou > other_iou:
                    other_iou, other_object = iou, first + o
            for scope in range(n_scopes):
                if not false[scope, d]:
                    continue
                intended = -1
                if BACKGROUND_IOU <= same_iou <= FOREGROUND_IOU:
                    code[scope, d], intended = LOCALISATION, same_object
                elif other_iou >= FOREGROUND_IOU:
                    code[scope, d], intended = CLASS, other_object
                elif same_iou >= FOREGROUND_IOU:
                    # Of the right class and near enough, yet false: the object was taken.
                    code[scope, d] = DUPLICATE
                elif max(same_iou, other_iou) <= BACKGROUND_IOU:
                    code[scope, d] = BACKGROUND
                else:
                    code[scope, d] = BOTH
                if (
                    intended >= 0
                    and inside[scope, intended]
                    and not used[scope, intended]
                    and not claimed[scope, intended]
                ):
                    claimed[scope, intended] = True
                    target[scope, d] = intended
    return code, target
