"""Criss-cross attention: each position sees its row and its column, twice.

Paper:   Huang et al., CCNet: Criss-Cross Attention for Semantic Segmentation, ICCV 2019, Sec. 3
         https://arxiv.org/abs/1811.11721
Code:    written from the paper. Authors' release: speedinghzl/CCNet (MIT).
Differs: nothing; the convolutions around the module belong to the segmentation head.
"""

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, hidden_channels


@MODELS.register_module()
class CrissCross(SpatialAttention):
    r"""Add to each position a mean of its row and column, weighted by match; then once more.

    :math:`y_i = x_i + \gamma \sum_{j \in \mathrm{cross}(i)} \mathrm{softmax}_j(q_i^\top k_j)\,
    v_j`, applied ``recurrence`` times, :math:`\gamma = 0` at the start

    Its map is the attention that each position receives in the last pass; 1 is the average.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: Queries and keys have ``max(C // reduction, 1)`` channels.
        recurrence: How often the module is applied, with the same weights. After two passes each
            position has seen the whole map.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``recurrence`` or ``reduction`` is less than 1.

    Example:
        >>> CrissCross(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'criss_cross'
    family = 'global'
    cost = 'O(HW(H+W))'
    maps = ('spatial',)
    gates = False
    identity_at_init = True

    def __init__(self, in_channels: int, reduction: int = 8, recurrence: int = 2, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        if not isinstance(recurrence, int) or recurrence < 1:
            raise UserError(f'CrissCross: recurrence must be at least 1, got {recurrence!r}')
        self.recurrence = recurrence
        hidden = hidden_channels(self, in_channels, reduction)
        self.query = nn.Conv2d(in_channels, hidden, 1)
        self.key = nn.Conv2d(in_channels, hidden, 1)
        self.value = nn.Conv2d(in_channels, in_channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.gamma)

    def attend(self, x: Tensor) -> Tensor:
        for _ in range(self.recurrence):
            x = x + self.gamma * self._cross(x)
        return x

    def _cross(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        query, key, value = self.query(x), self.key(x), self.value(x)
        of_column = torch.einsum('nchw,nciw->nhwi', query, key)  # (N, H, W, H)
        of_row = torch.einsum('nchw,nchj->nhwj', query, key)  # (N, H, W, W)
        # The position itself is in its row and in its column; it counts once, with its row.
        index = torch.arange(height, device=x.device)
        itself = (index[:, None] == index).unsqueeze(1)  # (H, 1, H)
        scores = torch.cat([of_column.masked_fill(itself, -torch.inf), of_row], dim=3)
        weights = scores.softmax(3).to(value.dtype)
        column, row = weights[..., :height], weights[..., height:]
        if self.capturing:
            received = column.sum(1).transpose(1, 2) + row.sum(2)
            self.publish(spatial=received.unsqueeze(1))
        return torch.einsum('nhwi,nciw->nchw', column, value) + torch.einsum(
            'nhwj,nchj->nchw', row, value
        )
