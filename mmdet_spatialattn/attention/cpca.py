"""CPCA: a channel gate, then large depthwise strips as a weight for every value.

Paper:   Huang et al., Channel Prior Convolutional Attention for Medical Image Segmentation,
         Computers in Biology and Medicine 2024, Sec. 3 https://arxiv.org/abs/2306.05196
Code:    written from the paper. Authors' release: Cuthbert-Huang/CPCANet.
Differs: the release puts the module between 1x1 convolutions of its network's block, which are left
out.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, odd_conv
from .cbam import CBAMChannelGate


@MODELS.register_module()
class CPCA(SpatialAttention):
    r"""Multiply the channel-gated feature by what strips of three lengths say at each location.

    :math:`y = x' \odot W (z + \sum_k d_{k \times 1} * d_{1 \times k} * z)` with
    :math:`z = d_{5 \times 5} * x'` and :math:`x'` the output of CBAM's channel gate

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: See :class:`CBAMChannelGate`.
        kernel_sizes: Lengths of the strips, odd.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: One of ``kernel_sizes`` is even, or ``reduction`` is less than 1.

    Example:
        >>> import torch
        >>> CPCA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'cpca'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')
    gates = False

    def __init__(
        self,
        in_channels: int,
        reduction: int = 4,
        kernel_sizes: Sequence[int] = (7, 11, 21),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)

        def depthwise(height: int, width: int) -> nn.Conv2d:
            window = (height, width)
            return odd_conv(self, in_channels, in_channels, window, groups=in_channels, bias=True)

        self.channel = CBAMChannelGate(in_channels, reduction)
        self.local = depthwise(5, 5)
        self.strips = nn.ModuleList(
            nn.Sequential(depthwise(1, k), depthwise(k, 1)) for k in kernel_sizes
        )
        self.mix = nn.Conv2d(in_channels, in_channels, 1)

    def attend(self, x: Tensor) -> Tensor:
        x = self.channel(x)
        local = self.local(x)
        weights = self.mix(sum((strip(local) for strip in self.strips), local))
        self.publish(spatial=weights)
        return x * weights
