"""GAM: weights for every value, first by location, then by neighbourhood.

Paper:   Liu et al., Global Attention Mechanism: Retain Information to Enhance Channel-Spatial
         Interactions, 2021, Sec. 3 https://arxiv.org/abs/2112.05561
Code:    written from the paper.
Differs: nothing; the channel weights have no sigmoid, as released (the paper prints one).
"""

from typing import Optional

from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, build_norm, hidden_channels, odd_conv


@MODELS.register_module()
class GAM(SpatialAttention):
    r"""Multiply by an MLP of each location's channels, then by a gate of two 7x7 convolutions.

    :math:`y = x' \odot \sigma(\mathrm{norm}(k_2 * \mathrm{ReLU}(\mathrm{norm}(k_1 * x'))))` with
    :math:`x' = x \odot W_2\, \mathrm{ReLU}(W_1 x)`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: Both parts narrow to ``max(C // reduction, 1)`` channels.
        kernel_size: Side of the windows, odd. The paper uses 7.
        norm_cfg: Norm after each of the two convolutions; ``None`` for none. A detector with
            ``norm_eval`` keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``kernel_size`` is even, or ``reduction`` is less than 1.

    Example:
        >>> import torch
        >>> GAM(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'gam'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')
    gates = False  # the channel weights have no sigmoid

    def __init__(
        self,
        in_channels: int,
        reduction: int = 4,
        kernel_size: int = 7,
        norm_cfg: Optional[dict] = dict(type='BN'),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        hidden = hidden_channels(self, in_channels, reduction)
        self.channel = nn.Sequential(
            nn.Conv2d(in_channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, in_channels, 1),
        )
        self.spatial = nn.Sequential(
            odd_conv(self, in_channels, hidden, kernel_size, bias=True),
            build_norm(self, norm_cfg, hidden),
            nn.ReLU(inplace=True),
            odd_conv(self, hidden, in_channels, kernel_size, bias=True),
            build_norm(self, norm_cfg, in_channels),
        )

    def attend(self, x: Tensor) -> Tensor:
        channel = self.channel(x)
        x = x * channel
        spatial = self.spatial(x).sigmoid()
        self.publish(channel=channel, spatial=spatial)
        return x * spatial
