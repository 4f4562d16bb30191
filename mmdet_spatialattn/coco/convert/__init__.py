"""Data sets of crowded scenes in their own formats, brought to COCO's."""

from .conversion import Conversion, convert
from .formats import FORMATS

__all__ = ['FORMATS', 'Conversion', 'convert']
