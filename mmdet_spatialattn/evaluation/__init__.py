"""How cluttered objects are, and what that does to a detector."""

from .coco import Annotations, Detections, load_annotations, load_detections

__all__ = ['Annotations', 'Detections', 'load_annotations', 'load_detections']
