"""Attention modules: ``(N, C, H, W) -> (N, C, H, W)``, one paper per file."""

from .base import SpatialAttention, capture_maps
from .cbam import CBAM, CBAMChannelGate, CBAMSpatialGate
from .se import SE
from .spatial_gate import SpatialGate

__all__ = [
    'CBAM',
    'SE',
    'CBAMChannelGate',
    'CBAMSpatialGate',
    'SpatialAttention',
    'SpatialGate',
    'capture_maps',
]
