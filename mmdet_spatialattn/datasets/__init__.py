"""Data sets: clutter digits, and clutter injection into any set in COCO's format."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .injection import ClutterInjection, write_doses, write_injected
    from .scenes import write_scenes
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            'ClutterInjection': 'injection',
            'write_doses': 'injection',
            'write_injected': 'injection',
            'write_scenes': 'scenes',
        },
    )

__all__ = ['ClutterInjection', 'write_doses', 'write_injected', 'write_scenes']
