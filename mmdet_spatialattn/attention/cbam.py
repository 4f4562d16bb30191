"""CBAM: a channel gate, then a spatial gate.

Paper:   Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018, Sec. 3
         https://arxiv.org/abs/1807.06521
Code:    written from the paper. Authors' release: Jongchan/attention-module (MIT).
Differs: nothing; the norm after the spatial convolution is the release's, the paper has none.
"""

from typing import Optional

import torch
from torch import Tensor, nn

from ..registry import MODELS
from .base import GatedAttention, build_norm, hidden_channels, odd_conv
from .fused import channel_statistics, fuses, map_statistics


@MODELS.register_module()
class CBAMChannelGate(GatedAttention):
    r"""Weigh each channel by what the means and the maxima of all channels say about it (Sec. 3.1).

    :math:`y = x \odot \sigma(\mathrm{MLP}(\mathrm{mean}_{HW}\, x) + \mathrm{MLP}(\max_{HW} x))`,
    one shared MLP

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: ``r``; the hidden layer has ``max(C // r, 1)`` channels.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``reduction`` is less than 1.

    Example:
        >>> CBAMChannelGate(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'cbam_channel'
    family = 'channel'
    maps = ('channel',)

    def __init__(self, in_channels: int, reduction: int = 16, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        hidden = hidden_channels(self, in_channels, reduction)
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, in_channels)
        )

    def weigh(self, x: Tensor) -> tuple[Tensor, None]:
        mean, most = (value.flatten(1) for value in map_statistics(x, 'mean', 'max'))  # (N, C)
        gate = (self.mlp(mean) + self.mlp(most)).sigmoid()[..., None, None]
        self.publish(channel=gate)
        return gate, None


@MODELS.register_module()
class CBAMSpatialGate(GatedAttention):
    r"""Weigh each location by what the channel max and mean say about it (Sec. 3.2).

    :math:`y = x \odot \sigma(\mathrm{norm}(k * [\max_c x;\ \mathrm{mean}_c x]))`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        kernel_size: Side of the window ``k``, odd. The paper uses 7.
        norm_cfg: Norm after the convolution; ``None`` for none. A detector with ``norm_eval``
            keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``kernel_size`` is even.

    Example:
        >>> CBAMSpatialGate(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'cbam_spatial'
    family = 'spatial'
    maps = ('spatial',)

    def __init__(
        self,
        in_channels: int,
        kernel_size: int = 7,
        norm_cfg: Optional[dict] = dict(type='BN', momentum=0.01),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        self.conv = odd_conv(self, 2, 1, kernel_size)
        self.norm = build_norm(self, norm_cfg, 1)

    def weigh(self, x: Tensor, channel: Optional[Tensor] = None) -> tuple[None, Tensor]:
        stats = torch.cat(channel_statistics(x, 'max', 'mean', gate=channel), dim=1)
        gate = self.norm(self.conv(stats)).sigmoid()  # (N, 1, H, W)
        self.publish(spatial=gate)
        return None, gate


@MODELS.register_module()
class CBAM(GatedAttention):
    r"""The channel gate, then the spatial gate of its output.

    :math:`y = S(C(x))` with :class:`CBAMChannelGate` :math:`C` and :class:`CBAMSpatialGate`
    :math:`S`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: See :class:`CBAMChannelGate`.
        kernel_size: See :class:`CBAMSpatialGate`.
        norm_cfg: See :class:`CBAMSpatialGate`.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``reduction`` is less than 1, or ``kernel_size`` is even.

    Example:
        >>> CBAM(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'cbam'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self,
        in_channels: int,
        reduction: int = 16,
        kernel_size: int = 7,
        norm_cfg: Optional[dict] = dict(type='BN', momentum=0.01),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        self.channel = CBAMChannelGate(in_channels, reduction)
        self.spatial = CBAMSpatialGate(in_channels, kernel_size, norm_cfg)

    def weigh(self, x: Tensor) -> tuple[Tensor, Tensor]:
        channel, _ = self.channel.weigh(x)
        _, spatial = self.spatial.weigh(x, channel)
        return channel, spatial

    def attend(self, x: Tensor) -> Tensor:
        return self.spatial(self.channel(x))

    def forward(self, x: Tensor) -> Tensor:
        if fuses(x):
            return super().forward(x)
        self._check(x)  # without kernels it is cheaper to keep the output of the channel gate
        return self._blend(x, self.attend(x))
