"""How cluttered objects are, and what that does to a detector."""

from .clutter import ClutterTable, clutter_measures
from .coco import Annotations, Detections, load_annotations, load_detections
from .comparison import Comparison, compare
from .dose import DoseResponse, dose_response
from .evaluator import Evaluation, evaluate
from .strata import Strata, Stratification

__all__ = [
    'Annotations',
    'ClutterTable',
    'Comparison',
    'Detections',
    'DoseResponse',
    'Evaluation',
    'Strata',
    'Stratification',
    'clutter_measures',
    'compare',
    'dose_response',
    'evaluate',
    'load_annotations',
    'load_detections',
]
