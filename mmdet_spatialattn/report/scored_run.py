"""The detections of a run at its working point, and the errors that remain there."""

from dataclasses import dataclass

import numpy as np

from ..coco import Annotations, Detections
from ..evaluation import FALSE, IOU_THRESHOLDS, TRUE, match


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run whose detections below the score threshold with the highest F1 are discarded.

    A detection is a true positive if it matches an object of its class with an IoU of 0.5.

    Attributes:
        detections: All detections of the run.
        threshold: The score threshold.
        true_positives: True positives above the threshold, ``(n,)`` bool.
        false_positives: False positives above the threshold, ``(n,)`` bool.
        n_missed: Number of undetected objects of each image, ``(I,)``.
        n_false: Number of false positives of each image, ``(I,)``.
    """

    detections: Detections
    threshold: float
    true_positives: np.ndarray
    false_positives: np.ndarray
    n_missed: np.ndarray
    n_false: np.ndarray

    @property
    def n_errors(self) -> np.ndarray:
        """Number of missed objects and false positives of each image, ``(I,)``."""
        return self.n_missed + self.n_false


def score_run(annotations: Annotations, detections: Detections) -> ScoredRun:
    """Match detections and apply the score threshold with the highest F1 over all classes."""
    is_object = ~annotations.iscrowd
    status = _match_status(annotations, detections)
    by_score = np.argsort(-detections.scores, kind='stable')
    n_true = np.cumsum(status[by_score] == TRUE)
    n_false = np.cumsum(status[by_score] == FALSE)
    f1 = 2 * n_true / np.maximum(n_true + n_false + is_object.sum(), 1)
    threshold = float(detections.scores[by_score[f1.argmax()]]) if len(f1) else 0.0
    kept = detections.scores >= threshold
    true_positives, false_positives = kept & (status == TRUE), kept & (status == FALSE)
    n_images = len(annotations.image_ids)
    objects, detected, false = (
        np.bincount(image, minlength=n_images)
        for image in (
            annotations.image[is_object],
            detections.image[true_positives],
            detections.image[false_positives],
        )
    )
    return ScoredRun(
        detections, threshold, true_positives, false_positives, objects - detected, false
    )


def _match_status(annotations: Annotations, detections: Detections) -> np.ndarray:
    """Return the match status of each detection, ``(n,)``; -1 beyond the cap of its image."""
    inside = ~annotations.iscrowd[None]
    charged = np.ones((1, len(detections)), bool)
    matches = match(annotations, detections, inside, charged, thresholds=IOU_THRESHOLDS[:1])
    status = np.full(len(detections), -1)
    status[matches.order] = matches.status[0, :, 0]
    return status
