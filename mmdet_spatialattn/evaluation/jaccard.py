"""The Jaccard index of crowded scenes with one class, as CrowdHuman's leader board has it.

Paper:   Chu et al., Detection in Crowded Scenes: One Proposal, Multiple Predictions, CVPR 2020,
         Sec. 4.1 https://arxiv.org/abs/2003.09163
Differs: boxes are not clipped to the image; strata, which the paper has not.
"""

from typing import Callable

import numpy as np

from ..coco import Annotations, Detections
from ..jit import jit
from .matching import Matches
from .pairs import group, pairs

SCORES = np.arange(10) / 10
"""Detections count above each of these scores; the best of the ten indices is reported."""

_IOU = 0.5


def jaccard(
    annotations: Annotations,
    detections: Detections,
    matches: Matches,
    labels: np.ndarray,
    charged: np.ndarray,
    n_strata: int,
    run: Callable = map,
) -> np.ndarray:
    """Return the Jaccard index of every image, overall and by stratum, at every score.

    Detections and objects of an image are paired one to one, as many as have IoU >= 0.5; the index
    is pairs / (detections + objects - pairs). An unpaired detection counts in the stratum it is
    charged to, unless half of it lies in a crowd region.

    Args:
        annotations: Objects of one class.
        detections: What was found.
        matches: Which of the detections count.
        labels: ``(objects,)`` the stratum of each object, -1 for none.
        charged: ``(detections,)`` the stratum of each detection.
        n_strata: Number of strata.
        run: As for :func:`~mmdet_spatialattn.evaluation.matching.match`.

    Returns:
        ``(1 + n_strata, 10, images)``; NaN where an image has neither objects nor detections.
    """
    which = np.sort(matches.order)  # ties of scores: the order of the file
    groups = group(
        np.arange(len(annotations)),
        annotations.image.astype(np.int64),
        which,
        detections.image[which].astype(np.int64),
        detections.scores[which],
    )
    objects = ~annotations.iscrowd
    counts = np.zeros((1 + n_strata, len(annotations.image_ids)), np.int64)
    for row, members in zip(counts, (objects, *(labels == s for s in range(n_strata)))):
        row[:] = np.bincount(annotations.image[members & objects], minlength=len(row))
    paired, found = np.zeros((2, 1 + n_strata, len(SCORES), counts.shape[1]), np.int64)

    def count(part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        p = pairs(annotations, detections, groups, part)
        mine = groups.detections[p.columns]
        result = _count(
            p.iou,
            p.pair_start,
            p.start,
            p.object_start,
            p.object_end,
            annotations.iscrowd[groups.objects],
            labels[groups.objects],
            detections.scores[mine],
            charged[mine],
            SCORES,
            1 + n_strata,
        )
        return detections.image[mine][p.start[:-1]], *result

    for image, part_paired, part_found in run(count, list(groups.parts())):
        paired[:, :, image], found[:, :, image] = part_paired, part_found
    with np.errstate(invalid='ignore'):
        return paired / (found + counts[:, None] - paired)


@jit
def _count(
    iou, pair_start, start, object_start, object_end, crowd, labels, scores, charged, levels, rows
):  # pragma: no cover
    n_groups = len(object_start)
    paired = np.zeros((rows, len(levels), n_groups), np.int64)
    found = np.zeros((rows, len(levels), n_groups), np.int64)
    for g in range(n_groups):
        o0, n_objects = object_start[g], object_end[g] - object_start[g]
        n = start[g + 1] - start[g]
        owner = np.full(n_objects, -1)  # detection paired with each object
        mate = np.full(n, -1)  # and object with each detection
        came_from = np.empty(n_objects, np.int64)
        queue = np.empty(n, np.int64)
        # More detections come in as the score falls; each may add one pair.
        d = 0
        for level in range(len(levels) - 1, -1, -1):
            while d < n and scores[start[g] + d] > levels[level]:
                came_from[:] = -1
                queue[0] = d
                head, tail, free = 0, 1, -1
                while head < tail and free < 0:
                    via = queue[head]
                    head += 1
                    for o in range(n_objects):
                        near = iou[pair_start[g] + via * n_objects + o] >= _IOU
                        if crowd[o0 + o] or came_from[o] >= 0 or not near:
                            continue
                        came_from[o] = via
                        if owner[o] < 0:
                            free = o
                            break
                        queue[tail] = owner[o]
                        tail += 1
                while free >= 0:  # hand the objects on along the path
                    via = came_from[free]
                    before = mate[via]
                    owner[free] = via
                    mate[via] = free
                    free = before
                d += 1
            for i in range(d):
                if mate[i] >= 0:
                    label = labels[o0 + mate[i]]
                    paired[0, level, g] += 1
                    if label >= 0 and rows > 1:
                        paired[1 + label, level, g] += 1
                else:
                    label = charged[start[g] + i]
                    in_crowd = False
                    for o in range(n_objects):
                        if crowd[o0 + o] and iou[pair_start[g] + i * n_objects + o] > _IOU:
                            in_crowd = True
                    if in_crowd:
                        continue
                found[0, level, g] += 1
                if label >= 0 and rows > 1:
                    found[1 + label, level, g] += 1
    return paired, found
