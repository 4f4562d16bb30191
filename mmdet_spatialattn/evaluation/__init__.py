"""How cluttered objects are, and what that does to a detector."""

from .clutter import ClutterTable, clutter_measures
from .coco import Annotations, Detections, load_annotations, load_detections

__all__ = [
    'Annotations',
    'ClutterTable',
    'Detections',
    'clutter_measures',
    'load_annotations',
    'load_detections',
]
