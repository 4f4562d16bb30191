"""Large selective kernel: every location chooses between a small and a large window.

Paper:   Li et al., Large Selective Kernel Network for Remote Sensing Object Detection, ICCV 2023,
         Sec. 3 https://arxiv.org/abs/2303.09030
Code:    written from the paper. Authors' release: zcablii/LSKNet (non-commercial).
Differs: nothing; the release nests the gate's layers in a child ``spatial_gating_unit``.
"""

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import odd_conv
from .lka import VisualAttention


@MODELS.register_module()
class LSK(VisualAttention):
    r"""Weigh each value by two windows, 5x5 and 23x23, mixed as the location asks.

    :math:`y = x + W_2 (u \odot W_3 (a_1 \odot s_1 + a_2 \odot s_2))`,
    :math:`u = \mathrm{GELU}(W_1 x)`, :math:`s_1 = V_1 u_1, s_2 = V_2 u_2` of the windows
    :math:`u_1 = k_{5 \times 5} * u, u_2 = k_{7 \times 7}^{d=3} * u_1`, and the choice
    :math:`a = \sigma(k * [\mathrm{mean}_c\, s;\ \max_c s])` of :math:`s = [s_1;\ s_2]`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``, even; the host passes it.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``in_channels`` is odd.

    Example:
        >>> LSK(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'lsk'
    maps = ('channel', 'spatial', 'spatial_near', 'spatial_far')

    def __init__(self, in_channels: int, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        if in_channels % 2:
            raise UserError(
                f'LSK: each of its two windows has half the channels, in_channels={in_channels} '
                'is odd; choose a place with an even number of channels, or LKA'
            )
        c = in_channels
        self.conv0 = odd_conv(self, c, c, 5, groups=c, bias=True)
        self.conv_spatial = odd_conv(self, c, c, 7, dilation=3, groups=c, bias=True)
        self.conv1 = nn.Conv2d(c, c // 2, 1)
        self.conv2 = nn.Conv2d(c, c // 2, 1)
        self.conv_squeeze = odd_conv(self, 2, 2, 7, bias=True)
        self.conv = nn.Conv2d(c // 2, c, 1)

    def gate(self, u: Tensor) -> Tensor:
        near = self.conv0(u)
        far = self.conv2(self.conv_spatial(near))  # (N, C / 2, H, W)
        near = self.conv1(near)
        both = torch.cat([near, far], dim=1)
        stats = torch.cat([both.mean(1, keepdim=True), both.amax(1, keepdim=True)], dim=1)
        choice = self.conv_squeeze(stats).sigmoid()  # (N, 2, H, W)
        choose_near, choose_far = choice.split(1, dim=1)
        self.publish(spatial_near=choose_near, spatial_far=choose_far)
        return self.conv(near * choose_near + far * choose_far)
