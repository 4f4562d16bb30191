"""The plain spatial gate: where the channels' mean is high, let the features through.

Paper:   none of its own; the spatial half of Woo et al., CBAM, ECCV 2018, without its learned part
         https://arxiv.org/abs/1807.06521
Code:    written from the formula.
Differs: not applicable.
"""

from collections.abc import Sequence
from typing import Optional

import torch
from torch import Tensor

from ..errors import UserError
from ..registry import MODELS
from .base import GatedAttention, build_norm, odd_conv
from .fused import channel_statistics

POOLINGS = ('mean', 'max')


@MODELS.register_module()
class SpatialGate(GatedAttention):
    r"""Weigh each location by the sigmoid of its pooled channels; parameter-free by default.

    :math:`y = x \odot \sigma(\mathrm{norm}(k * [\mathrm{pool}_c\, x]))`; without ``k``, the mean of
    the pooled maps

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        pooling: Which of ``'mean'`` and ``'max'`` over the channels, in this order.
        kernel_size: Side of a learned convolution over the pooled maps, odd; 0 for none.
        norm_cfg: Norm after the convolution; ``None`` for none. A detector with ``norm_eval``
            keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``pooling`` is empty or unknown, ``kernel_size`` is even, or there is a norm
            without a convolution.

    Example:
        >>> SpatialGate(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'spatial_gate'
    family = 'spatial'
    maps = ('spatial',)

    def __init__(
        self,
        in_channels: int,
        pooling: Sequence[str] = ('mean',),
        kernel_size: int = 0,
        norm_cfg: Optional[dict] = None,
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        self.pooling = (pooling,) if isinstance(pooling, str) else tuple(pooling)
        if not self.pooling or not set(self.pooling) <= set(POOLINGS):
            raise UserError(
                f'SpatialGate: pooling must be one or both of {POOLINGS}, got {pooling!r}'
            )
        if norm_cfg and not kernel_size:
            raise UserError(
                'SpatialGate: norm_cfg needs the learned convolution; give an odd kernel_size'
            )
        self.conv = odd_conv(self, len(self.pooling), 1, kernel_size) if kernel_size else None
        self.norm = build_norm(self, norm_cfg, 1)

    def weigh(self, x: Tensor) -> tuple[None, Tensor]:
        pooled = channel_statistics(x, *self.pooling)
        stats = torch.cat(pooled, dim=1) if len(pooled) > 1 else pooled[0]  # (N, P, H, W)
        gate = self.norm(
            self.conv(stats) if self.conv is not None else stats.mean(1, keepdim=True)
        ).sigmoid()
        self.publish(spatial=gate)
        return None, gate
