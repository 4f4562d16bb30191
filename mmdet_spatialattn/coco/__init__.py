"""COCO files as checked arrays: annotations, detections, masks, images."""

from .annotations import Annotations, AnnotationSource, load_annotations
from .detections import Detections, DetectionSource, load_detections

__all__ = [
    'AnnotationSource',
    'Annotations',
    'DetectionSource',
    'Detections',
    'load_annotations',
    'load_detections',
]
