"""COCO files as checked arrays: annotations, detections, masks, images."""

from .annotations import Annotations, AnnotationSource, load_annotations
from .detections import Detections, DetectionSource, load_detections
from .images import box_windows, boxes_by_image, find_images, read_image

__all__ = [
    'AnnotationSource',
    'Annotations',
    'DetectionSource',
    'Detections',
    'box_windows',
    'boxes_by_image',
    'find_images',
    'load_annotations',
    'load_detections',
    'read_image',
]
