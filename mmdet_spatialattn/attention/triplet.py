"""Triplet attention: CBAM's spatial gate on each of the three planes of a feature.

Paper:   Misra et al., Rotate to Attend: Convolutional Triplet Attention Module, WACV 2021, Sec. 3
         https://arxiv.org/abs/2010.03045
Code:    written from the paper. Authors' release: landskape-ai/triplet-attention (MIT).
Differs: nothing; the three gates are averaged before they are applied, which is the same and
rotates no feature.
"""

from typing import Optional

import torch
from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, build_norm, odd_conv


@MODELS.register_module()
class TripletAttention(SpatialAttention):
    r"""Average the gates of the planes (C, W), (H, C) and (H, W).

    :math:`y = x \odot \frac13 \sum_{p} \sigma(\mathrm{norm}(k_p * [\max_{\bar p} x;\
    \mathrm{mean}_{\bar p}\, x]))`, pooled over the axis :math:`\bar p` that plane :math:`p` lacks

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it. No weight depends on it.
        kernel_size: Side of the windows, odd. The paper uses 7.
        norm_cfg: Norm after each convolution; ``None`` for none. A detector with ``norm_eval``
            keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``kernel_size`` is even.

    Example:
        >>> TripletAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'triplet'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self,
        in_channels: int,
        kernel_size: int = 7,
        norm_cfg: Optional[dict] = dict(type='BN', momentum=0.01),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)

        def plane() -> nn.Sequential:
            conv = odd_conv(self, 2, 1, kernel_size)
            return nn.Sequential(conv, build_norm(self, norm_cfg, 1), nn.Sigmoid())

        self.cw, self.hc, self.hw = plane(), plane(), plane()

    def attend(self, x: Tensor) -> Tensor:
        cw = self.cw(_pool(x, 2)).transpose(1, 2)  # (N, C, 1, W)
        hc = self.hc(_pool(x, 3).transpose(2, 3)).transpose(1, 3)  # (N, C, H, 1)
        hw = self.hw(_pool(x, 1))  # (N, 1, H, W)
        gate = cw / 3 + hc / 3 + hw / 3
        self.publish(channel=gate, spatial=gate)
        return x * gate


def _pool(x: Tensor, dim: int) -> Tensor:
    """Return max and mean over one axis as two channels, ``(N, 2, ...)`` with the other two."""
    return torch.stack([x.amax(dim), x.mean(dim)], dim=1)
