"""ELA: coordinate attention without its bottleneck.

Paper:   Xu and Wan, ELA: Efficient Local Attention for Deep Convolutional Neural Networks, 2024,
         Sec. 3 https://arxiv.org/abs/2403.01123
Code:    written from the paper.
Differs: nothing; the defaults are its ELA-B. The convolution and the norm serve both directions, as
printed.
"""

from typing import Optional

from torch import Tensor

from ..registry import MODELS
from .base import SpatialAttention, build_norm, odd_conv


@MODELS.register_module()
class ELA(SpatialAttention):
    r"""Weigh each channel at each height and at each width by its own neighbourhood there.

    :math:`y = x \odot g(\mathrm{mean}_W x) \odot g(\mathrm{mean}_H x)` with
    :math:`g(z) = \sigma(\mathrm{norm}(k * z))`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        kernel_size: Length of the depthwise window, odd. The paper uses 5 and 7.
        norm_cfg: Norm of the strips; ``num_groups`` must divide ``C``.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``kernel_size`` is even, or the norm does not fit ``C``.

    Example:
        >>> import torch
        >>> ELA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'ela'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self,
        in_channels: int,
        kernel_size: int = 7,
        norm_cfg: Optional[dict] = dict(type='GN', num_groups=16),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        self.conv = odd_conv(self, in_channels, in_channels, (kernel_size, 1), groups=in_channels)
        self.norm = build_norm(self, norm_cfg, in_channels)

    def attend(self, x: Tensor) -> Tensor:
        rows = self._gate(x.mean(3, keepdim=True))  # (N, C, H, 1)
        columns = self._gate(x.mean(2).unsqueeze(3)).transpose(2, 3)  # (N, C, 1, W)
        if self.capturing:
            gate = rows * columns
            self.publish(channel=gate, spatial=gate)
        return x * columns * rows

    def _gate(self, strip: Tensor) -> Tensor:
        return self.norm(self.conv(strip)).sigmoid()
