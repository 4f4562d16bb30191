"""Attention modules: ``(N, C, H, W) -> (N, C, H, W)``, one paper per file."""

from .attention_gate import AttentionGate
from .base import GuidedAttention, SpatialAttention, capture_maps
from .cbam import CBAM, CBAMChannelGate, CBAMSpatialGate
from .learn_to_pay import LearnToPayAttention
from .se import SE
from .spatial_gate import SpatialGate

__all__ = [
    'CBAM',
    'SE',
    'AttentionGate',
    'CBAMChannelGate',
    'CBAMSpatialGate',
    'GuidedAttention',
    'LearnToPayAttention',
    'SpatialAttention',
    'SpatialGate',
    'capture_maps',
]
