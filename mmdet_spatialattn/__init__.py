"""Attention for object detection in cluttered scenes: a plugin for MMDetection 3.

Importing the package makes MMDetection usable on today's PyTorch (:mod:`mmdet_spatialattn.compat`)
and loads nothing heavy: the names below load their part of the package when they are first used.
"""

import importlib
from typing import Any

from . import compat

__version__ = '0.1.0'

_LAZY = {
    'SpatialAttention': 'attention',
    'build_attention': 'attention.catalogue',
    'capture_maps': 'attention',
    'clutter_measures': 'clutter',
    'insert_attention': 'insertion',
    'remove_attention': 'insertion',
    'list_attention': 'attention.catalogue',
}

__all__ = ['__version__', *_LAZY]

compat.install()


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'.{_LAZY[name]}', __name__), name)
