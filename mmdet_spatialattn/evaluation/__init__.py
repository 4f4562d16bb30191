"""How cluttered objects are, and what that does to a detector."""

from .clutter import ClutterTable, clutter_measures
from .coco import Annotations, Detections, load_annotations, load_detections
from .comparison import Comparison, compare
from .evaluator import Evaluation, evaluate
from .strata import Strata, Stratification

__all__ = [
    'Annotations',
    'ClutterTable',
    'Comparison',
    'Detections',
    'Evaluation',
    'Strata',
    'Stratification',
    'clutter_measures',
    'compare',
    'evaluate',
    'load_annotations',
    'load_detections',
]
