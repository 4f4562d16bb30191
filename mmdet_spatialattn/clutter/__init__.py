"""Clutter of objects and images: measures, and strata of objects by a measure."""

from .measures import IMAGE_MEASURES, MEANINGS, OBJECT_MEASURES, PIXEL_MEASURES
from .scopes import SIZES, Scope
from .strata import (
    ENOUGH,
    Strata,
    StrataLike,
    Stratification,
    image_numbers,
    object_values,
    stratify,
    stratify_images,
)
from .table import ClutterTable, clutter_measures

__all__ = [
    'ENOUGH',
    'IMAGE_MEASURES',
    'MEANINGS',
    'OBJECT_MEASURES',
    'PIXEL_MEASURES',
    'SIZES',
    'ClutterTable',
    'Scope',
    'Strata',
    'StrataLike',
    'Stratification',
    'clutter_measures',
    'image_numbers',
    'object_values',
    'stratify',
    'stratify_images',
]
