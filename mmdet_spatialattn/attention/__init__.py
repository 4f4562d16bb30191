"""Attention modules: ``(N, C, H, W) -> (N, C, H, W)``, one paper per file."""

from .area_attention import AreaAttention
from .attention_gate import AttentionGate
from .bam import BAM
from .base import GuidedAttention, SpatialAttention, capture_maps
from .caa import CAA
from .capacity_control import CapacityControl
from .cbam import CBAM, CBAMChannelGate, CBAMSpatialGate
from .coord_attention import CoordAttention
from .cpca import CPCA
from .criss_cross import CrissCross
from .double_attention import DoubleAttention
from .dual_attention import DualAttention, DualChannelAttention, DualPositionAttention
from .eca import ECA
from .effective_se import EffectiveSE
from .ela import ELA
from .ema import EMA
from .fca import FCA
from .gam import GAM
from .gather_excite import GatherExcite
from .gct import GCT
from .generalized_attention import GeneralizedAttention
from .global_context import GlobalContext
from .learn_to_pay import LearnToPayAttention
from .lka import LKA
from .lsk import LSK
from .lska import LSKA
from .mlca import MLCA
from .nam import NAM
from .non_local import NonLocal
from .polarized import PolarizedSelfAttention
from .reference import load_reference_weights
from .scsa import SCSA
from .scse import SCSE
from .se import SE
from .self_attention import SelfAttention2d
from .sge import SGE
from .shuffle_attention import ShuffleAttention
from .simam import SimAM
from .spatial_gate import SpatialGate
from .strip_pooling import StripPooling
from .triplet import TripletAttention

__all__ = [
    'BAM',
    'CAA',
    'CBAM',
    'CPCA',
    'ECA',
    'ELA',
    'EMA',
    'FCA',
    'GAM',
    'GCT',
    'LKA',
    'LSK',
    'LSKA',
    'MLCA',
    'NAM',
    'SCSA',
    'SCSE',
    'SE',
    'SGE',
    'AreaAttention',
    'AttentionGate',
    'CBAMChannelGate',
    'CBAMSpatialGate',
    'CapacityControl',
    'CoordAttention',
    'CrissCross',
    'DoubleAttention',
    'DualAttention',
    'DualChannelAttention',
    'DualPositionAttention',
    'EffectiveSE',
    'GatherExcite',
    'GeneralizedAttention',
    'GlobalContext',
    'GuidedAttention',
    'LearnToPayAttention',
    'NonLocal',
    'PolarizedSelfAttention',
    'SelfAttention2d',
    'ShuffleAttention',
    'SimAM',
    'SpatialAttention',
    'SpatialGate',
    'StripPooling',
    'TripletAttention',
    'capture_maps',
    'load_reference_weights',
]
