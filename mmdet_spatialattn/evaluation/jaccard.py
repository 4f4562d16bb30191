"""The Jaccard index of crowded scenes with one class, as on CrowdHuman's leaderboard.

Paper:   Chu et al., Detection in Crowded Scenes: One Proposal, Multiple Predictions, CVPR 2020,
         Sec. 4.1 https://arxiv.org/abs/2003.09163
Differs: boxes are not clipped to the image; there is an index per stratum, which is not in the
         paper.
"""

from typing import Callable, NamedTuple

import numpy as np

from ..clutter.strata import Stratification
from ..coco import Annotations, Detections
from ..jit import jit
from .matching import Matches
from .pairs import compute_pairs, group_for_matching

SCORES = np.arange(10) / 10
"""Score thresholds; the highest of the ten indices is reported."""

_IOU = 0.5


class _Objects(NamedTuple):
    """Columns of the objects, for the compiled loop."""

    crowd: np.ndarray
    stratum: np.ndarray


class _Detections(NamedTuple):
    """Columns of the detections, for the compiled loop."""

    score: np.ndarray
    stratum: np.ndarray


def jaccard_by_image(
    annotations: Annotations,
    detections: Detections,
    matches: Matches,
    strata: Stratification,
    charged: np.ndarray,
    map_fn: Callable = map,
) -> np.ndarray:
    """Return the Jaccard index of every image, overall and by stratum, at every score threshold.

    Detections and objects of an image are paired one to one, as many as have IoU >= 0.5; the index
    is ``pairs / (detections + objects - pairs)``. An unpaired detection counts in the stratum that
    it is charged to, unless half of it lies in a crowd region.

    Args:
        annotations: Objects of one class.
        detections: The detections.
        matches: Their matches; only these detections count.
        strata: The objects sorted into strata.
        charged: ``(detections,)``, the stratum that each detection is charged to.
        map_fn: As for :func:`~mmdet_spatialattn.evaluation.matching.match`.

    Returns:
        ``(1 + strata, 10, images)``; NaN where an image has neither objects nor detections.
    """
    counted = np.sort(matches.order)  # where scores tie, the order of the file decides
    groups = group_for_matching(
        np.arange(len(annotations)),
        annotations.image.astype(np.int64),
        counted,
        detections.image[counted].astype(np.int64),
        detections.scores[counted],
    )
    is_object = ~annotations.iscrowd
    labels, n_strata = strata.labels, len(strata.names)
    n_rows, n_images = 1 + n_strata, len(annotations.image_ids)
    n_objects = np.zeros((n_rows, n_images), np.int64)
    for row, members in zip(n_objects, (is_object, *(labels == s for s in range(n_strata)))):
        row[:] = np.bincount(annotations.image[members & is_object], minlength=n_images)
    n_pairs, n_detections = np.zeros((2, n_rows, len(SCORES), n_images), np.int64)
    objects = _Objects(annotations.iscrowd[groups.objects], labels[groups.objects])

    def count(part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pairs = compute_pairs(annotations, detections, groups, part)
        members = groups.detections[groups.columns(part)]
        columns = _Detections(detections.scores[members], charged[members])
        images = detections.image[members][pairs.detection_start[:-1]]
        return images, *_count(pairs, objects, columns, SCORES, n_rows)

    for images, part_pairs, part_detections in map_fn(count, list(groups.parts())):
        n_pairs[:, :, images], n_detections[:, :, images] = part_pairs, part_detections
    with np.errstate(invalid='ignore'):
        return n_pairs / (n_detections + n_objects[:, None] - n_pairs)


def best_jaccard(indices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the Jaccard index of every replicate, ``(1 + strata, LANES)``.

    Args:
        indices: ``(1 + strata, 10, images)``, from :func:`jaccard_by_image`.
        weights: ``(images, LANES)``, how often each image occurs in each replicate.
    """
    defined = ~np.isnan(indices)
    with np.errstate(invalid='ignore'):
        return np.max(np.where(defined, indices, 0) @ weights / (defined @ weights), axis=1)


@jit
def _count(pairs, objects, detections, thresholds, n_rows):  # pragma: no cover
    n_groups = len(pairs.object_start)
    n_pairs = np.zeros((n_rows, len(thresholds), n_groups), np.int64)
    n_detections = np.zeros((n_rows, len(thresholds), n_groups), np.int64)
    for g in range(n_groups):
        first_object, first = pairs.object_start[g], pairs.detection_start[g]
        n_objects = pairs.object_end[g] - first_object
        n = pairs.detection_start[g + 1] - first
        detection_of = np.full(n_objects, -1)  # the detection that each object is paired with
        object_of = np.full(n, -1)  # and the object that each detection is paired with
        reached_from = np.empty(n_objects, np.int64)
        queue = np.empty(n, np.int64)
        # More detections take part as the threshold falls; each may add one pair.
        d = 0
        for level in range(len(thresholds) - 1, -1, -1):
            while d < n and detections.score[first + d] > thresholds[level]:
                # A breadth-first search for a path from the detection to an unpaired object.
                reached_from[:] = -1
                queue[0] = d
                head, tail, unpaired = 0, 1, -1
                while head < tail and unpaired < 0:
                    current = queue[head]
                    head += 1
                    for o in range(n_objects):
                        near = pairs.iou[pairs.start[g] + current * n_objects + o] >= _IOU
                        if objects.crowd[first_object + o] or reached_from[o] >= 0 or not near:
                            continue
                        reached_from[o] = current
                        if detection_of[o] < 0:
                            unpaired = o
                            break
                        queue[tail] = detection_of[o]
                        tail += 1
                while unpaired >= 0:  # pair anew along the path
                    current = reached_from[unpaired]
                    previous = object_of[current]
                    detection_of[unpaired] = current
                    object_of[current] = unpaired
                    unpaired = previous
                d += 1
            for i in range(d):
                if object_of[i] >= 0:
                    stratum = objects.stratum[first_object + object_of[i]]
                    n_pairs[0, level, g] += 1
                    if stratum >= 0 and n_rows > 1:
                        n_pairs[1 + stratum, level, g] += 1
                else:
                    stratum = detections.stratum[first + i]
                    in_crowd = False
                    for o in range(n_objects):
                        overlap = pairs.iou[pairs.start[g] + i * n_objects + o]
                        if objects.crowd[first_object + o] and overlap > _IOU:
                            in_crowd = True
                    if in_crowd:
                        continue
                n_detections[0, level, g] += 1
                if stratum >= 0 and n_rows > 1:
                    n_detections[1 + stratum, level, g] += 1
    return n_pairs, n_detections
