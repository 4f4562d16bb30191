"""Large kernel attention: a large window, decomposed, weighs every value.

Paper:   Guo et al., Visual Attention Network, 2022 (CVMJ 2023), Sec. 3.1-3.2
         https://arxiv.org/abs/2202.09741
Code:    written from the paper. Authors' release: Visual-Attention-Network/VAN-Classification
         (Apache-2.0).
Differs: nothing; the release nests the three depthwise and pointwise layers of the gate in a child
``spatial_gating_unit``.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, odd_conv


class VisualAttention(SpatialAttention):
    r"""The block around a large-kernel gate: :math:`y = x + W_2\, (u \odot \mathrm{gate}(u))`.

    :math:`u = \mathrm{GELU}(W_1 x)`; a subclass gives :meth:`gate`.
    """

    family = 'spatial'
    maps: tuple[str, ...] = ('channel', 'spatial')
    gates = False

    def __init__(self, in_channels: int, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.proj_1 = nn.Conv2d(in_channels, in_channels, 1)
        self.proj_2 = nn.Conv2d(in_channels, in_channels, 1)

    def gate(self, u: Tensor) -> Tensor:
        """Return the weights ``(N, C, H, W)`` of ``u``."""
        raise NotImplementedError

    def attend(self, x: Tensor) -> Tensor:
        u = F.gelu(self.proj_1(x))
        gate = self.gate(u)
        self.publish(channel=gate, spatial=gate)
        return x + self.proj_2(u * gate)


@MODELS.register_module()
class LKA(VisualAttention):
    r"""Weigh each value by a convolution over 23x23 locations of all channels.

    :math:`y = x + W_2 (u \odot W_3 (k_{7 \times 7}^{d=3} * k_{5 \times 5} * u))`,
    :math:`u = \mathrm{GELU}(W_1 x)`, depthwise :math:`k`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        **kwargs: See :class:`SpatialAttention`.

    Example:
        >>> import torch
        >>> LKA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'lka'

    def __init__(self, in_channels: int, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        c = in_channels
        self.conv0 = odd_conv(self, c, c, 5, groups=c, bias=True)
        self.conv_spatial = odd_conv(self, c, c, 7, dilation=3, groups=c, bias=True)
        self.conv1 = nn.Conv2d(c, c, 1)

    def gate(self, u: Tensor) -> Tensor:
        return self.conv1(self.conv_spatial(self.conv0(u)))
