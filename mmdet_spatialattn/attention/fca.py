"""Frequency channel attention: squeeze each channel by a cosine transform, not by its mean alone.

Paper:   Qin et al., FcaNet: Frequency Channel Attention Networks, ICCV 2021, Sec. 3
         https://arxiv.org/abs/2012.11879
Code:    written from the paper. Authors' release: cfzd/FcaNet (MIT).
Differs: nothing. The pooling and the transform of the release are linear and separable, and are
applied here as one product with a vector of rows and one of columns; its buffer
``dct_layer.weight`` is computed, so that it is not among the weights.
"""

import math
from typing import Optional

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, hidden_channels
from .pooling import pooling_matrix

BASE = 7  # frequencies are indices of a transform over 7x7 positions
ROWS = (0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2)
COLUMNS = (0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2)
"""The 16 frequencies that alone served best on ImageNet ("top16")."""


@MODELS.register_module()
class FCA(SpatialAttention):
    r"""Weigh each channel by what all channels' frequency components say about it.

    :math:`y = x \odot \sigma(W_2\, \mathrm{ReLU}(W_1 s))`,
    :math:`s_c = \sum_{ij} \mathrm{pool}(x)_{cij} D^{u_c}_i D^{v_c}_j`, where
    :math:`D^u_i = \sqrt{(1 + [u > 0]) / S}\, \cos(\pi u (i + 1/2) / S)`; each sixteenth of the
    channels has its own frequency :math:`(u, v)`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: ``r``; the hidden layer has ``max(C // r, 1)`` channels.
        size: Side ``S`` of the map that the features are averaged into before the transform, a
            multiple of 7. When not given, what ResNet-50 has at this width on ImageNet, as in the
            authors' models: 56 at 256 channels, 28 at 512, 14 at 1024, 7 at 2048.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: 16 does not divide ``in_channels``, or 7 does not divide ``size``.

    Example:
        >>> FCA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'fca'
    family = 'channel'
    maps = ('channel',)

    rows: Tensor
    columns: Tensor

    def __init__(
        self, in_channels: int, reduction: int = 16, size: Optional[int] = None, **kwargs
    ) -> None:
        super().__init__(in_channels, **kwargs)
        if in_channels % len(ROWS):
            raise UserError(
                f'FCA: has a frequency for each sixteenth of the channels, and 16 does not divide '
                f'in_channels={in_channels}; choose a place with a multiple of 16, or SE'
            )
        if size is None:
            size = BASE * 2 ** min(max(round(math.log2(2048 / in_channels)), 0), 3)
        if not isinstance(size, int) or size < BASE or size % BASE:
            raise UserError(f'FCA: size must be a multiple of {BASE}, got {size!r}')
        hidden = hidden_channels(self, in_channels, reduction)
        self.size = size
        self.fc = nn.Sequential(
            nn.Linear(in_channels, hidden, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, in_channels, bias=False),
        )
        self.register_buffer('rows', _cosines(ROWS, size), persistent=False)
        self.register_buffer('columns', _cosines(COLUMNS, size), persistent=False)

    def attend(self, x: Tensor) -> Tensor:
        gate = self.fc(self._squeeze(x)).sigmoid()[..., None, None]
        self.publish(channel=gate)
        return x * gate

    def _squeeze(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        rows = self.rows.to(x.dtype) @ pooling_matrix(h, self.size, x)  # (16, H)
        columns = self.columns.to(x.dtype) @ pooling_matrix(w, self.size, x)  # (16, W)
        x = x.reshape(n, len(ROWS), c // len(ROWS) * h, w) @ columns[..., None]
        return (x.view(n, len(ROWS), c // len(ROWS), h) @ rows[..., None]).view(n, c)


def _cosines(frequencies: tuple[int, ...], size: int) -> Tensor:
    """Return the ``(16, size)`` orthonormal cosines of frequencies counted on a side of 7."""
    u = torch.tensor(frequencies)[:, None] * (size // BASE)
    i = torch.arange(size)
    scale = (1 + (u > 0).float()).div(size).sqrt()
    return scale * torch.cos(math.pi * u * (i + 0.5) / size)
