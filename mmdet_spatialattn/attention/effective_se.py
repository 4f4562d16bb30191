"""Effective squeeze-and-excitation: one layer without a bottleneck.

Paper:   Lee and Park, CenterMask: Real-Time Anchor-Free Instance Segmentation, CVPR 2020, Sec. 3.3
         https://arxiv.org/abs/1911.06667
Code:    written from the paper. Authors' release: youngwanLEE/CenterMask.
Differs: nothing; the sigmoid is the release's hard one, the paper prints a sigmoid.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import MODELS
from .base import GatedAttention
from .fused import map_statistics


@MODELS.register_module()
class EffectiveSE(GatedAttention):
    r"""Weigh each channel by what all channels' means say about it, at full width.

    :math:`y = x \odot \mathrm{hardsigmoid}(W\, \mathrm{mean}_{HW}\, x)`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        **kwargs: See :class:`SpatialAttention`.

    Example:
        >>> import torch
        >>> EffectiveSE(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'effective_se'
    family = 'channel'
    maps = ('channel',)

    def __init__(self, in_channels: int, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.fc = nn.Conv2d(in_channels, in_channels, 1)

    def weigh(self, x: Tensor) -> tuple[Tensor, None]:
        gate = F.hardsigmoid(self.fc(*map_statistics(x, 'mean')))
        self.publish(channel=gate)
        return gate, None
