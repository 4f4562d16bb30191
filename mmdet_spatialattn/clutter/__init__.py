"""How cluttered objects and images are: measures, and strata of objects by a measure."""

from .strata import Scope, Strata, Stratification, stratify
from .table import ClutterTable, clutter_measures

__all__ = [
    'ClutterTable',
    'Scope',
    'Strata',
    'Stratification',
    'clutter_measures',
    'stratify',
]
