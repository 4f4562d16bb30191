"""Evaluation of detections, overall and in clutter."""

from .curves import CurveKey
from .error_types import ERROR_TYPES
from .evaluator import (
    RunEvaluation,
    StratumPrecisions,
    average_precisions,
    evaluate,
    evaluate_run,
    n_steps,
)
from .matching import FALSE, IGNORED, IOU_THRESHOLDS, TRUE, Matches, match
from .metrics import MAX_DETECTIONS
from .replicates import ERROR_METRIC
from .task import EvaluationTask, ScopeCounts

__all__ = [
    'ERROR_METRIC',
    'ERROR_TYPES',
    'FALSE',
    'IGNORED',
    'IOU_THRESHOLDS',
    'MAX_DETECTIONS',
    'TRUE',
    'CurveKey',
    'EvaluationTask',
    'Matches',
    'RunEvaluation',
    'ScopeCounts',
    'StratumPrecisions',
    'average_precisions',
    'evaluate',
    'evaluate_run',
    'match',
    'n_steps',
]
