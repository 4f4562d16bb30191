"""Attention for object detection in cluttered scenes: a plugin for MMDetection 3.

Importing the package makes MMDetection usable on today's PyTorch (:mod:`mmdet_spatialattn.compat`)
and loads nothing heavy: the names below load their part of the package when they are first used.
"""

from typing import TYPE_CHECKING

from . import compat
from .errors import UserError
from .lazy import lazy_names
from .version import __version__

if TYPE_CHECKING:
    from .attention import SpatialAttention, capture_maps
    from .attention.catalogue import build_attention, list_attention
    from .clutter import clutter_measures
    from .comparison import compare, dose_response
    from .evaluation import evaluate
    from .experiments import load_plan, run_sweep, try_attention
    from .insertion import WithAttention, insert_attention, remove_attention
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            'SpatialAttention': 'attention',
            'WithAttention': 'insertion',
            'build_attention': 'attention.catalogue',
            'capture_maps': 'attention',
            'clutter_measures': 'clutter',
            'compare': 'comparison',
            'dose_response': 'comparison',
            'evaluate': 'evaluation',
            'insert_attention': 'insertion',
            'list_attention': 'attention.catalogue',
            'load_plan': 'experiments',
            'remove_attention': 'insertion',
            'run_sweep': 'experiments',
            'try_attention': 'experiments',
        },
    )

__all__ = [
    'SpatialAttention',
    'UserError',
    'WithAttention',
    '__version__',
    'build_attention',
    'capture_maps',
    'clutter_measures',
    'compare',
    'dose_response',
    'evaluate',
    'insert_attention',
    'list_attention',
    'load_plan',
    'remove_attention',
    'run_sweep',
    'try_attention',
]

compat.install()
