"""The detections of a run at its working point, and the errors that remain there."""

from dataclasses import dataclass, replace

import numpy as np

from ..coco import Annotations, Detections
from ..evaluation import FALSE, IOU_THRESHOLDS, TRUE, match
from ..evaluation.error_types import find_errors

COLUMNS = ('image', 'category', 'boxes', 'scores', 'area')
"""The arrays of detections that hold a row for each."""


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run whose detections below the score threshold with the highest F1 are discarded.

    A detection is a true positive if it matches an object of its class with an IoU of 0.5, between
    their masks if the detections have masks.

    Attributes:
        detections: All detections of the run.
        threshold: The score threshold.
        true_positives: True positives above the threshold, ``(n,)`` bool.
        false_positives: False positives above the threshold, ``(n,)`` bool.
        missed: Objects that no true positive matches, ``(objects,)`` bool.
        n_missed: Number of undetected objects of each image, ``(I,)``.
        n_false: Number of false positives of each image, ``(I,)``.
    """

    detections: Detections
    threshold: float
    true_positives: np.ndarray
    false_positives: np.ndarray
    missed: np.ndarray
    n_missed: np.ndarray
    n_false: np.ndarray

    @property
    def n_errors(self) -> np.ndarray:
        """Number of missed objects and false positives of each image, ``(I,)``."""
        return self.n_missed + self.n_false


def score_run(annotations: Annotations, detections: Detections) -> ScoredRun:
    """Match detections and apply the score threshold with the highest F1 over all classes."""
    is_object = ~annotations.iscrowd
    status, matched = _match(annotations, detections)
    by_score = np.argsort(-detections.scores, kind='stable')
    n_true = np.cumsum(status[by_score] == TRUE)
    n_false = np.cumsum(status[by_score] == FALSE)
    f1 = 2 * n_true / np.maximum(n_true + n_false + is_object.sum(), 1)
    threshold = float(detections.scores[by_score[f1.argmax()]]) if len(f1) else 0.0
    kept = detections.scores >= threshold
    true_positives, false_positives = kept & (status == TRUE), kept & (status == FALSE)
    missed = is_object.copy()
    missed[matched[true_positives]] = False
    n_missed, n_false = (
        np.bincount(image, minlength=len(annotations.image_ids))
        for image in (annotations.image[missed], detections.image[false_positives])
    )
    return ScoredRun(
        detections, threshold, true_positives, false_positives, missed, n_missed, n_false
    )


@dataclass(frozen=True, eq=False)
class RunErrors:
    """The causes of the errors of a run at its working point; see :data:`ERROR_TYPES`.

    Attributes:
        false_positives: Code of the error type of each detection, ``(n,)``; 0 for no error.
        missed: Objects that are missed and that no false positive aims at, ``(objects,)`` bool.
    """

    false_positives: np.ndarray
    missed: np.ndarray


def classify_errors(annotations: Annotations, run: ScoredRun) -> RunErrors:
    """Classify the errors that remain above the threshold of a run by their cause."""
    kept = np.flatnonzero(run.detections.scores >= run.threshold)
    detections = run.detections
    above = replace(
        detections,
        **{name: getattr(detections, name)[kept] for name in COLUMNS},
        masks=None if detections.masks is None else [detections.masks[i] for i in kept],
    )
    inside, charged = ~annotations.iscrowd[None], np.ones((1, len(above)), bool)
    matches = match(annotations, above, inside, charged, thresholds=IOU_THRESHOLDS[:1])
    (errors,) = find_errors(annotations, above, matches, inside, [0])
    codes = np.zeros(len(detections), np.uint8)
    codes[kept[matches.order]] = errors.code
    return RunErrors(codes, errors.missed)


def _match(annotations: Annotations, detections: Detections) -> tuple[np.ndarray, np.ndarray]:
    """Return the status of each detection and the object that it matches, ``(n,)`` each.

    Both are -1 for detections beyond the cap of their image; the object is -1 without a match.
    """
    inside = ~annotations.iscrowd[None]
    charged = np.ones((1, len(detections)), bool)
    matches = match(annotations, detections, inside, charged, thresholds=IOU_THRESHOLDS[:1])
    status = np.full(len(detections), -1)
    status[matches.order] = matches.status[0, :, 0]
    matched = np.full(len(detections), -1)
    matched[matches.order] = matches.matched_object[0]
    return status, matched
