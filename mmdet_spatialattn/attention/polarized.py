"""Polarized self-attention: one gate that collapses the map, one that collapses the channels.

Paper:   Liu et al., Polarized Self-Attention: Towards High-quality Pixel-wise Regression, 2021,
         Sec. 3 https://arxiv.org/abs/2107.00782
Code:    written from the paper and the published definition. Authors' release: DeLightCMU/PSA.
Differs: nothing in the results. Where a projection meets a weighted sum, both linear, the sum goes
first, so that the projected maps of half the channels are never made.
"""

from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, hidden_channels

MODES = ('parallel', 'sequential')


@MODELS.register_module()
class PolarizedSelfAttention(SpatialAttention):
    r"""Gate the channels by an attended mean, and the locations by their match with the mean.

    Channels: :math:`c = \sigma(U\, V x\, \mathrm{softmax}_{HW}(q^\top x))`. Locations, parallel:
    :math:`s = \sigma(\mathrm{softmax}_{HW}(\bar q^\top \Theta x))`, sequential:
    :math:`s = \sigma(\bar q^\top\, \mathrm{softmax}_{HW}(\Theta x))`, with
    :math:`\bar q = Q\, \mathrm{mean}_{HW}\, x`. Parallel: :math:`y = x \odot (c + s)`; sequential:
    :math:`y = x \odot c` and then the locations of that. :math:`U` is linear in the parallel mode,
    a bottleneck with a LayerNorm in the sequential one

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``, at least 2; the host passes it.
        mode: ``'parallel'`` or ``'sequential'``; the release defines them by different maths.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``mode`` is unknown.

    Example:
        >>> import torch
        >>> PolarizedSelfAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'polarized'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(self, in_channels: int, mode: str = 'parallel', **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        if mode not in MODES:
            raise UserError(f'PolarizedSelfAttention: mode must be one of {MODES}, got {mode!r}')
        self.mode = mode
        half = hidden_channels(self, in_channels, 2)
        self.channel_query = nn.Conv2d(in_channels, 1, 1, bias=False)
        self.channel_value = nn.Linear(in_channels, half, bias=False)
        self.spatial_query = nn.Linear(in_channels, half, bias=False)
        self.spatial_value = nn.Conv2d(in_channels, half, 1, bias=False)
        if mode == 'parallel':
            self.up: nn.Module = nn.Linear(half, in_channels, bias=False)
        else:
            narrow = hidden_channels(self, half, 4)
            self.up = nn.Sequential(
                nn.Linear(half, narrow),
                nn.LayerNorm(narrow),
                nn.ReLU(inplace=True),
                nn.Linear(narrow, in_channels),
            )

    def attend(self, x: Tensor) -> Tensor:
        channel = self._channel_gate(x)
        y = x if self.mode == 'parallel' else x * channel
        spatial = self._spatial_gate(y)
        self.publish(channel=channel, spatial=spatial)
        return x * (channel + spatial) if self.mode == 'parallel' else y * spatial

    def _channel_gate(self, x: Tensor) -> Tensor:
        weights = self.channel_query(x).flatten(2).softmax(2)  # (N, 1, H W)
        pooled = (weights @ x.flatten(2).transpose(1, 2)).squeeze(1)  # (N, C)
        return self.up(self.channel_value(pooled)).sigmoid()[..., None, None]

    def _spatial_gate(self, x: Tensor) -> Tensor:
        query = self.spatial_query(x.mean((2, 3)))  # (N, C / 2)
        if self.mode == 'parallel':
            query = query @ self.spatial_value.weight.flatten(1)  # (N, C)
            score = (query.unsqueeze(1) @ x.flatten(2)).softmax(2)
        else:
            score = query.unsqueeze(1) @ self.spatial_value(x).flatten(2).softmax(2)
        return score.sigmoid().unflatten(2, x.shape[2:])  # (N, 1, H, W)
