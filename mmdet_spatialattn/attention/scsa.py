"""SCSA: gates along rows and columns at several scales, then self-attention between channels.

Paper:   Si et al., SCSA: Exploring the Synergistic Effects Between Spatial and Channel Attention,
         Neurocomputing 2025, Sec. 3 https://arxiv.org/abs/2407.05128
Code:    written from the paper. Authors' release: HZAI-ZJNU/SCSA.
Differs: a map smaller than the pooling window is pooled as a whole, where the release fails.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import GroupNorm, SpatialAttention, check_divides, odd_conv


@MODELS.register_module()
class SCSA(SpatialAttention):
    r"""Gate rows and columns by windows of several lengths, then channels by each other.

    :math:`x' = x \odot g_h(\mathrm{mean}_W x) \odot g_w(\mathrm{mean}_H x)` with
    :math:`g(z) = \sigma(\mathrm{GN}([k_3 * z_1;\ k_5 * z_2;\ k_7 * z_3;\ k_9 * z_4]))` over four
    groups of channels; :math:`y = x' \odot \sigma(\mathrm{mean}(\mathrm{softmax}(q_i k_i^\top /
    \sqrt{d})\, v_i)_i)` over heads :math:`i` of channels, :math:`q, k, v` scaled copies of the
    normed :math:`x'`, pooled to windows

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        num_heads: Number of heads that the channels are split into, a divisor of ``C``.
        window: Side of the pooling windows; rows and columns beyond the last whole one are left
            out.
        kernel_sizes: Lengths of the windows along rows and columns, odd, one for each group of
            channels; their number must divide ``C``.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``num_heads`` or the number of ``kernel_sizes`` does not divide ``C``, one of
            ``kernel_sizes`` is even, or ``window`` is less than 1.

    Example:
        >>> SCSA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'scsa'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self,
        in_channels: int,
        num_heads: int = 8,
        window: int = 7,
        kernel_sizes: Sequence[int] = (3, 5, 7, 9),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        groups = len(kernel_sizes)
        check_divides(self, in_channels, num_heads=num_heads)
        check_divides(self, in_channels, groups=groups)
        if not isinstance(window, int) or window < 1:
            raise UserError(f'SCSA: window must be a positive integer, got {window!r}')
        self.num_heads = num_heads
        self.window = window
        width = in_channels // groups
        self.strips = nn.ModuleList(
            odd_conv(self, width, width, (k, 1), groups=width, bias=True) for k in kernel_sizes
        )
        self.norm_h = GroupNorm(in_channels, groups)
        self.norm_w = GroupNorm(in_channels, groups)
        self.norm = GroupNorm(in_channels, 1)
        self.query, self.key, self.value = (
            nn.Conv2d(in_channels, in_channels, 1, groups=in_channels, bias=False) for _ in 'qkv'
        )

    def attend(self, x: Tensor) -> Tensor:
        rows = self.norm_h(self._filter(x.mean(3, keepdim=True))).sigmoid()  # (N, C, H, 1)
        columns = self.norm_w(self._filter(x.mean(2).unsqueeze(3))).sigmoid().transpose(2, 3)
        x = x * rows * columns
        channel = self._channel_gate(x)
        if self.capturing:
            self.publish(channel=channel, spatial=rows * columns)
        return x * channel

    def _filter(self, strip: Tensor) -> Tensor:
        parts = zip(self.strips, strip.chunk(len(self.strips), dim=1))
        return torch.cat([conv(part) for conv, part in parts], dim=1)

    def _channel_gate(self, x: Tensor) -> Tensor:
        rows, columns = (_windows(size, self.window, x) for size in x.shape[2:])
        pooled = (rows @ (x @ columns.T)).flatten(2)  # (N, C, L)
        whole = torch.outer(rows.sum(1), columns.sum(1)).flatten()  # (L), 1 where a window is
        layers = (self.query, self.key, self.value)
        normed = self._norm(pooled, whole).unsqueeze(3)
        # (N, heads, d, L): d channels attend to each other, their L windows are what they compare.
        q, k, v = (layer(normed).flatten(2).unflatten(1, (self.num_heads, -1)) for layer in layers)
        weights = (q @ k.transpose(2, 3) * q.shape[2] ** -0.5).softmax(3)
        # The mean over windows comes before the mixing, with which it commutes.
        mixed = weights.to(v.dtype) @ (v.sum(3, keepdim=True) / whole.sum())  # (N, heads, d, 1)
        return mixed.flatten(1, 2).unsqueeze(3).sigmoid()

    def _norm(self, pooled: Tensor, whole: Tensor) -> Tensor:
        """Return the layer norm of the windows of ``(N, C, L)`` that exist, and 0 elsewhere."""
        count = whole.sum() * self.in_channels
        centred = (pooled - pooled.sum((1, 2), keepdim=True) / count) * whole
        variance = centred.square().sum((1, 2), keepdim=True) / count
        weight, bias = self.norm.weight[:, None], self.norm.bias[:, None]
        return (centred * (variance + self.norm.eps).rsqrt() * weight + bias) * whole


def _windows(size: int, window: int, like: Tensor) -> Tensor:
    """Return the matrix that averages ``size`` positions in whole windows, followed by zeros.

    There are always at least two rows: an axis of one would be baked into an exported graph.
    """
    position = torch.arange(size, device=like.device) // window
    index = torch.arange(size // window + 2, device=like.device)[:, None]
    exists = (index < size // window) | (index == 0)
    inside = ((position == index) & exists).to(like.dtype)
    return inside / inside.sum(1, keepdim=True).clamp(min=1)
