"""Attention modules: ``(N, C, H, W) -> (N, C, H, W)``, one paper per file."""

from .attention_gate import AttentionGate
from .base import GuidedAttention, SpatialAttention, capture_maps
from .caa import CAA
from .capacity_control import CapacityControl
from .cbam import CBAM, CBAMChannelGate, CBAMSpatialGate
from .eca import ECA
from .effective_se import EffectiveSE
from .fca import FCA
from .gather_excite import GatherExcite
from .gct import GCT
from .learn_to_pay import LearnToPayAttention
from .lka import LKA
from .lsk import LSK
from .lska import LSKA
from .nam import NAM
from .se import SE
from .self_attention import SelfAttention2d
from .sge import SGE
from .simam import SimAM
from .spatial_gate import SpatialGate
from .strip_pooling import StripPooling

__all__ = [
    'CAA',
    'CBAM',
    'ECA',
    'FCA',
    'GCT',
    'LKA',
    'LSK',
    'LSKA',
    'NAM',
    'SE',
    'SGE',
    'AttentionGate',
    'CBAMChannelGate',
    'CBAMSpatialGate',
    'CapacityControl',
    'EffectiveSE',
    'GatherExcite',
    'GuidedAttention',
    'LearnToPayAttention',
    'SelfAttention2d',
    'SimAM',
    'SpatialAttention',
    'SpatialGate',
    'StripPooling',
    'capture_maps',
]
