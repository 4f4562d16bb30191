"""Context anchor attention: long strips of an averaged map gate every value.

Paper:   Cai et al., Poly Kernel Inception Network for Remote Sensing Detection, CVPR 2024, Sec. 3.3
         https://arxiv.org/abs/2403.06258
Code:    written from the paper. Authors' release: PKINet/PKINet.
Differs: nothing; the convolutions are plain ones with biases, as PKINet builds the module.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, odd_conv


@MODELS.register_module()
class CAA(SpatialAttention):
    r"""Weigh each value by long strips along and across it, of all channels.

    :math:`y = x \odot \sigma(W_2 (k_{11 \times 1} * k_{1 \times 11} * W_1\,
    \mathrm{mean}_{7 \times 7}\, x))`, depthwise :math:`k`; beyond the border the mean takes zeros

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        kernel_size: Length of the strips, odd. PKINet grows it from 11 to 17 over its blocks.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``kernel_size`` is even.

    Example:
        >>> import torch
        >>> CAA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'caa'
    family = 'spatial'
    maps = ('channel', 'spatial')

    def __init__(self, in_channels: int, kernel_size: int = 11, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        c = in_channels
        self.conv1 = nn.Conv2d(c, c, 1)
        self.h_conv = odd_conv(self, c, c, (1, kernel_size), groups=c, bias=True)
        self.v_conv = odd_conv(self, c, c, (kernel_size, 1), groups=c, bias=True)
        self.conv2 = nn.Conv2d(c, c, 1)

    def attend(self, x: Tensor) -> Tensor:
        strips = self.v_conv(self.h_conv(self.conv1(F.avg_pool2d(x, 7, 1, 3))))
        gate = self.conv2(strips).sigmoid()
        self.publish(channel=gate, spatial=gate)
        return x * gate
