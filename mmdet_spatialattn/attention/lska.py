"""Large separable kernel attention: LKA's windows as strips, so that they may be larger still.

Paper:   Lau et al., Large Separable Kernel Attention: Rethinking the Large Kernel Attention Design
         in CNN, Expert Systems with Applications 2024, Sec. 3 https://arxiv.org/abs/2309.01439
Code:    written from the paper. Authors' release: StevenLauHKHK/Large-Separable-Kernel-Attention.
Differs: nothing; the release nests the gate's layers in a child ``spatial_gating_unit``.
"""

from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import odd_conv
from .lka import VisualAttention

STRIPS = {
    7: (3, 3, 2),
    11: (3, 5, 2),
    23: (5, 7, 3),
    35: (5, 11, 3),
    41: (5, 13, 3),
    53: (5, 17, 3),
}
"""Window: length of the first strips, length and dilation of the second (Table 2)."""


@MODELS.register_module()
class LSKA(VisualAttention):
    r"""Weigh each value by strips along and across it, of all channels.

    :math:`y = x + W_2 (u \odot W_3 (k_{b \times 1}^d * k_{1 \times b}^d * k_{a \times 1} *
    k_{1 \times a} * u))`, :math:`u = \mathrm{GELU}(W_1 x)`, depthwise :math:`k`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        kernel_size: Side of the window that the strips make up: 7, 11, 23, 35, 41 or 53.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``kernel_size`` is none of these.

    Example:
        >>> import torch
        >>> LSKA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'lska'

    def __init__(self, in_channels: int, kernel_size: int = 23, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        if kernel_size not in STRIPS:
            raise UserError(f'LSKA: kernel_size must be one of {tuple(STRIPS)}, got {kernel_size}')
        near, far, dilation = STRIPS[kernel_size]
        c = in_channels
        self.conv0h = odd_conv(self, c, c, (1, near), groups=c, bias=True)
        self.conv0v = odd_conv(self, c, c, (near, 1), groups=c, bias=True)
        self.conv_spatial_h = odd_conv(self, c, c, (1, far), dilation, groups=c, bias=True)
        self.conv_spatial_v = odd_conv(self, c, c, (far, 1), dilation, groups=c, bias=True)
        self.conv1 = nn.Conv2d(c, c, 1)

    def gate(self, u: Tensor) -> Tensor:
        near = self.conv0v(self.conv0h(u))
        return self.conv1(self.conv_spatial_v(self.conv_spatial_h(near)))
