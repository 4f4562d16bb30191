"""The authors' published weights, in our modules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import UserError
from .base import SpatialAttention

RENAMED: dict[str, tuple[tuple[str, str], ...]] = {
    'BAM': (
        (r'channel_att\.gate_c\.gate_c_fc_0', 'channel.0'),
        (r'channel_att\.gate_c\.gate_c_bn_1', 'channel.1'),
        (r'channel_att\.gate_c\.gate_c_fc_final', 'channel.3'),
        (r'spatial_att\.gate_s\.gate_s_conv_reduce0', 'spatial.0'),
        (r'spatial_att\.gate_s\.gate_s_bn_reduce0', 'spatial.1'),
        (r'spatial_att\.gate_s\.gate_s_conv_di_0', 'spatial.3'),
        (r'spatial_att\.gate_s\.gate_s_bn_di_0', 'spatial.4'),
        (r'spatial_att\.gate_s\.gate_s_conv_di_1', 'spatial.6'),
        (r'spatial_att\.gate_s\.gate_s_bn_di_1', 'spatial.7'),
        (r'spatial_att\.gate_s\.gate_s_conv_final', 'spatial.9'),
    ),
    'CBAM': (
        (r'ChannelGate\.mlp\.1', 'channel.mlp.0'),
        (r'ChannelGate\.mlp\.3', 'channel.mlp.2'),
        (r'SpatialGate\.spatial\.conv', 'spatial.conv'),
        (r'SpatialGate\.spatial\.bn', 'spatial.norm'),
    ),
    'CBAMChannelGate': ((r'mlp\.1', 'mlp.0'), (r'mlp\.3', 'mlp.2')),
    'CBAMSpatialGate': ((r'spatial\.conv', 'conv'), (r'spatial\.bn', 'norm')),
    'CoordAttention': ((r'bn1', 'norm'),),
    'ECA': (),
    'FCA': (),
    'GlobalContext': ((r'(conv_mask|channel_add_conv|channel_mul_conv)', r'block.\1'),),
    'SE': ((r'fc\.0', 'fc1'), (r'fc\.2', 'fc2')),
    'SGE': (),
    'TripletAttention': (
        (r'ChannelGateH\.spatial\.conv|cw\.conv\.conv', 'cw.0'),
        (r'ChannelGateH\.spatial\.bn|cw\.conv\.bn', 'cw.1'),
        (r'ChannelGateW\.spatial\.conv|hc\.conv\.conv', 'hc.0'),
        (r'ChannelGateW\.spatial\.bn|hc\.conv\.bn', 'hc.1'),
        (r'SpatialGate\.spatial\.conv|hw\.conv\.conv', 'hw.0'),
        (r'SpatialGate\.spatial\.bn|hw\.conv\.bn', 'hw.1'),
    ),
}
"""By module: patterns for the beginnings of names in the authors' releases, and our names."""

COMPUTED = {'FCA': ('dct_layer.weight',)}
"""By module: constants that the releases store among the weights; they are computed here."""


@dataclass(frozen=True)
class ReferenceReport:
    """Result of loading the authors' weights.

    Attributes:
        loaded: Our names of the tensors that were loaded.
        missing: Our names of the tensors that the release lacks; they keep their values.
        unexpected: The authors' names of tensors that the module does not have.
        mismatched: Our names of tensors of another shape, with both shapes.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether all tensors were loaded."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        lines = [f'loaded {len(self.loaded)} tensors']
        for kind in ('missing', 'unexpected', 'mismatched'):
            if getattr(self, kind):
                lines.append(f'{kind}: {", ".join(getattr(self, kind))}')
        return '\n'.join(lines)


def load_reference_weights(
    module: SpatialAttention, state_dict: Mapping[str, Tensor], *, prefix: str = ''
) -> ReferenceReport:
    """Load weights that the authors of a paper published into our module of that paper.

    The names are those of the authors' releases: hujie-frank/SENet and its PyTorch forms (SE),
    BangguWu/ECANet (ECA), Jongchan/attention-module (CBAM, BAM), landskape-ai/triplet-attention
    (TripletAttention, both of its files), cfzd/FcaNet (FCA), xvjiarui/GCNet (GlobalContext),
    houqb/CoordAttention (CoordAttention), implus/PytorchInsight (SGE). Linear layers of a release
    fit 1x1 convolutions here. Tensors that fit are loaded, and the others are reported; ``alpha``,
    which no release has, keeps its value.

    Args:
        module: The module to load into; its type decides which names are expected.
        state_dict: Weights of one module, or of a whole network.
        prefix: Path of the module in the network, such as ``'layer1.0.cbam.'``; only names that
            begin with it are read.

    Raises:
        UserError: No weights are published for this type of module, or no name fits.

    Example:
        >>> from mmdet_spatialattn.attention import ECA
        >>> weights = {'layer1.0.eca.conv.weight': torch.ones(1, 1, 3)}
        >>> print(load_reference_weights(ECA(64), weights, prefix='layer1.0.eca.'))
        loaded 1 tensors
    """
    name = type(module).__name__
    if name not in RENAMED:
        raise UserError(
            f'{name}: no published weights are known (known for: {", ".join(sorted(RENAMED))})'
        )
    ours = {k: v for k, v in module.state_dict().items() if k != 'alpha'}
    loaded: dict[str, Tensor] = {}
    mismatched: dict[str, str] = {}
    unexpected = []
    for key, value in state_dict.items():
        theirs = key[len(prefix) :]
        if not key.startswith(prefix) or theirs in COMPUTED.get(name, ()):
            continue
        key = _our_name(name, theirs)
        if key not in ours:
            unexpected.append(theirs)
        elif _without_ones(value) != _without_ones(ours[key]):
            mismatched[key] = f'{tuple(value.shape)} there, {tuple(ours[key].shape)} here'
        else:
            loaded[key] = value.reshape(ours[key].shape)
    if not loaded:
        seen = ', '.join(list(state_dict)[:3]) or 'none'
        raise UserError(
            f"{name}: none of the weights fits below prefix '{prefix}' (first names: {seen}; "
            f'{len(mismatched)} of another shape); give the path of the module as the prefix'
        )
    module.load_state_dict(loaded, strict=False)
    # Weights from before torch 0.4.1 lack this counter, which is used for momentum=None alone.
    known = {*loaded, *mismatched, *(key for key in ours if key.endswith('num_batches_tracked'))}
    return ReferenceReport(
        loaded=tuple(loaded),
        missing=tuple(key for key in ours if key not in known),
        unexpected=tuple(unexpected),
        mismatched=tuple(f'{key} ({shapes})' for key, shapes in mismatched.items()),
    )


def _our_name(module: str, theirs: str) -> str:
    for pattern, ours in RENAMED[module]:
        renamed, count = re.subn(rf'^(?:{pattern})(?=\.|$)', ours, theirs)
        if count:
            return renamed
    return theirs


def _without_ones(tensor: Tensor) -> torch.Size:
    return tensor.squeeze().shape
