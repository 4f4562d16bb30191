"""MLCA: channel attention in each cell of a coarse grid, mixed with that of the whole map.

Paper:   Wan et al., Mixed Local Channel Attention for Object Detection, Engineering Applications of
         Artificial Intelligence 2023, Sec. 3 https://doi.org/10.1016/j.engappai.2023.106442
Code:    written from the paper. Authors' release: wandahangFY/MLCA.
Differs: nothing.
"""

from typing import Optional

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, check_odd
from .eca import adaptive_kernel_size
from .pooling import adaptive_mean


@MODELS.register_module()
class MLCA(SpatialAttention):
    r"""Weigh each channel in each cell by its neighbours in channel order, there and globally.

    :math:`y = x \odot \mathrm{up}(\lambda\, \sigma(k_l * p) + (1 - \lambda)\, \sigma(k_g *_c
    \mathrm{mean}\, p))`, :math:`p` the means of ``x`` over a grid; the local window runs over the
    channels of the first cell, then of the second, and so on

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        local_size: Cells per side of the grid.
        local_weight: :math:`\lambda`.
        kernel_size: How many channels the two windows cover, odd; when not given, as in
            :class:`ECA`.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``kernel_size`` is even, ``local_size`` is less than 1, or ``local_weight`` is
            not between 0 and 1.

    Example:
        >>> MLCA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'mlca'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self,
        in_channels: int,
        local_size: int = 5,
        local_weight: float = 0.5,
        kernel_size: Optional[int] = None,
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        if not isinstance(local_size, int) or local_size < 1:
            raise UserError(f'MLCA: local_size must be a positive integer, got {local_size!r}')
        if not 0 <= local_weight <= 1:
            raise UserError(f'MLCA: local_weight must be from 0 to 1, got {local_weight!r}')
        kernel_size = adaptive_kernel_size(in_channels) if kernel_size is None else kernel_size
        check_odd(self, kernel_size=kernel_size)
        self.local_size = local_size
        self.local_weight = local_weight
        self.local_conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.global_conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def attend(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        cells = self.local_size**2
        grid = adaptive_mean(x, (self.local_size, self.local_size)).flatten(2)  # (N, C, S S)
        local = self.local_conv(grid.transpose(1, 2).reshape(n, 1, cells * c)).sigmoid()
        local = local.view(n, cells, c).transpose(1, 2)  # (N, C, S S)
        whole = self.global_conv(grid.mean(2).unsqueeze(1)).sigmoid().transpose(1, 2)  # (N, C, 1)
        mixed = torch.lerp(whole, local, self.local_weight)
        gate = adaptive_mean(mixed.view(n, c, self.local_size, self.local_size), (height, width))
        self.publish(channel=gate, spatial=gate)
        return x * gate
