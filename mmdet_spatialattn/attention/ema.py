"""EMA: two branches whose channel descriptors weigh each other's maps.

Paper:   Ouyang et al., Efficient Multi-Scale Attention Module with Cross-Spatial Learning, ICASSP
         2023, Sec. 3 https://arxiv.org/abs/2305.13563
Code:    written from the paper. Authors' release: YOLOonMe/EMA-attention-module.
Differs: nothing.
"""

import torch
from torch import Tensor, nn

from ..registry import MODELS
from .base import GroupNorm, SpatialAttention, check_divides


@MODELS.register_module()
class EMA(SpatialAttention):
    r"""Gate each group of channels by one map, made of a coordinate and of a 3x3 branch.

    In each group: :math:`y = x \odot \sigma(\mathrm{softmax}(\bar u)^\top v +
    \mathrm{softmax}(\bar v)^\top u)` with :math:`u = \mathrm{GN}(x \odot \sigma(f_h) \odot
    \sigma(f_w))`, :math:`[f_h;\ f_w] = W [\mathrm{mean}_W x;\ \mathrm{mean}_H x]`,
    :math:`v = k_{3 \times 3} * x`, and :math:`\bar u` the mean of :math:`u` over the map

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        factor: Number of groups; they share all weights.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``factor`` does not divide ``C``; the message lists what does.

    Example:
        >>> EMA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'ema'
    family = 'channel+spatial'
    maps = ('spatial',)

    def __init__(self, in_channels: int, factor: int = 32, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        check_divides(self, in_channels, factor=factor)
        self.factor = factor
        width = in_channels // factor
        self.strips = nn.Conv2d(width, width, 1)
        self.norm = GroupNorm(width, width)
        self.local = nn.Conv2d(width, width, 3, padding=1)

    def attend(self, x: Tensor) -> Tensor:
        groups = x.unflatten(1, (self.factor, -1)).flatten(0, 1)  # (N F, C / F, H, W)
        height, width = x.shape[2:]
        strips = torch.cat([groups.mean(3, keepdim=True), groups.mean(2).unsqueeze(3)], dim=2)
        rows, columns = self.strips(strips).sigmoid().split([height, width], dim=2)
        coordinate = self.norm(groups * rows * columns.transpose(2, 3))
        local = self.local(groups)
        score = _weigh(coordinate, local) + _weigh(local, coordinate)  # (N F, 1, H W)
        gate = score.sigmoid().unflatten(2, (height, width))
        self.publish(spatial=gate.unflatten(0, (-1, self.factor)).squeeze(2))
        return (groups * gate).view_as(x)


def _weigh(of: Tensor, by: Tensor) -> Tensor:
    """Return the channels of ``by``, summed with the softmax of the channel means of ``of``."""
    return of.mean((2, 3)).softmax(1).unsqueeze(1) @ by.flatten(2)
