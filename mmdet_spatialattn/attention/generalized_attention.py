"""Generalized attention: four terms of content and position, each of which can be left out.

Paper:   Zhu et al., An Empirical Study of Spatial Attention Mechanisms in Deep Networks, ICCV 2019,
         Sec. 3 https://arxiv.org/abs/1904.05873
Code:    the layers, their initialisation and their names are those of MMCV's
``GeneralizedAttention``, which is the authors'; the forward pass is ours, because theirs can be
neither compiled nor exported.
Differs: where the second term is used without the fourth, MMCV confuses rows and columns and fails
on maps that are not square; this follows the paper. The local range, which exists for maps of two
widths only, is left out.
"""

import math
from collections.abc import Sequence
from typing import Optional

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import GeneralizedAttention as Block
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention


@MODELS.register_module()
class GeneralizedAttention(SpatialAttention):
    r"""Add to each position a mean of all, weighted by content, relative position, or both.

    :math:`y = x + \gamma\, W_o\, [\mathrm{softmax}(q_i^\top k_i + q_i^\top r_i + u_i^\top k_i +
    v_i^\top r_i)\, (W_v x)_i]_i` over heads :math:`i`, :math:`r` the embedded relative position,
    :math:`\gamma = 0` at the start

    Its map is the attention that each position receives; 1 is the average.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        num_heads: Number of heads, of ``C // num_heads`` channels each.
        kv_stride: Only every ``kv_stride``-th row and column is attended to.
        q_stride: Only every ``q_stride``-th row and column asks; the answer is resized bilinearly.
        attention_type: Which of the four terms are used, in the order of the formula; the paper
            finds ``'0010'`` with convolutions, ``'0110'`` with deformable ones the best buy.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``num_heads`` is more than ``C``, a stride is less than 1, ``attention_type`` is
            not four digits of 0 and 1, or a relative position is asked for and 4 does not divide
            ``C``.

    Example:
        >>> GeneralizedAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'generalized_attention'
    family = 'global'
    cost = 'O((HW)^2)'
    maps = ('spatial',)
    gates = False
    identity_at_init = True

    def __init__(
        self,
        in_channels: int,
        num_heads: int = 9,
        kv_stride: int = 2,
        q_stride: int = 1,
        attention_type: str = '1111',
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        if not isinstance(num_heads, int) or not 1 <= num_heads <= in_channels:
            raise UserError(
                f'GeneralizedAttention: num_heads must be from 1 to in_channels={in_channels}, '
                f'got {num_heads!r}'
            )
        for name, stride in (('kv_stride', kv_stride), ('q_stride', q_stride)):
            if not isinstance(stride, int) or stride < 1:
                raise UserError(
                    f'GeneralizedAttention: {name} must be a positive integer, got {stride!r}'
                )
        digits = str(attention_type)
        if len(digits) != 4 or not set(digits) <= {'0', '1'} or '1' not in digits:
            raise UserError(
                'GeneralizedAttention: attention_type must be four digits of 0 and 1, one of them '
                f"1, such as '0010'; got {attention_type!r}"
            )
        if '1' in digits[1::2] and in_channels % 4:
            raise UserError(
                'GeneralizedAttention: the position terms need in_channels divisible by 4, got '
                f"{in_channels}; choose attention_type '0010', '1000' or '1010'"
            )
        self.block = Block(
            in_channels,
            num_heads=num_heads,
            kv_stride=kv_stride,
            q_stride=q_stride,
            attention_type=digits,
        )

    def reset_parameters(self) -> None:
        self.block.init_weights()
        nn.init.zeros_(self.block.gamma)

    def attend(self, x: Tensor) -> Tensor:
        block, heads = self.block, self.block.num_heads
        asking = x[:, :, :: block.q_stride, :: block.q_stride]
        asked = x[:, :, :: block.kv_stride, :: block.kv_stride]
        query_key, query_position, bias_key, bias_position = block.attention_type
        query = None
        if query_key or query_position:
            query = block.query_conv(asking).unflatten(1, (heads, -1))  # (N, heads, d, h, w)
        # Terms that depend on no query stay (N, heads, 1, 1, h', w'), and so do their weights.
        energy = x.new_zeros(())
        if query_key or bias_key:
            ask = _add(query if query_key else None, block.appr_bias if bias_key else None, heads)
            key = block.key_conv(asked).unflatten(1, (heads, -1))
            energy = torch.einsum('nmdhw,nmdij->nmhwij', ask, key)
        if query_position or bias_position:
            bias = block.geom_bias if bias_position else None
            ask = _add(query if query_position else None, bias, heads)
            rows, columns = self._positions(asking, asked)
            energy = energy + torch.einsum('nmdhw,himd->nmhwi', ask, rows).unsqueeze(5)
            energy = energy + torch.einsum('nmdhw,wjmd->nmhwj', ask, columns).unsqueeze(4)
        weights = energy.flatten(4).softmax(4)  # (N or 1, heads, h or 1, w or 1, h' w')
        self._publish(weights, asked.shape[2:], x)
        value = block.value_conv(asked).unflatten(1, (heads, -1)).flatten(3)
        mixed = weights.to(value.dtype).flatten(2, 3) @ value.transpose(2, 3)
        mixed = mixed.transpose(2, 3).flatten(1, 2).unflatten(2, weights.shape[2:4])
        update = block.proj_conv(mixed)
        if block.q_stride > 1:
            update = F.interpolate(update, size=x.shape[2:], mode='bilinear', align_corners=False)
        return x + block.gamma * update

    def _positions(self, asking: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Return the projected sines of the distances in height ``(h, h', heads, d)`` and width."""
        block = self.block
        quarter = torch.arange(self.in_channels // 4, device=asking.device, dtype=asking.dtype)
        wave = 1000 ** (4 / self.in_channels * quarter)
        projected = []
        for axis, project in ((2, block.appr_geom_fc_y), (3, block.appr_geom_fc_x)):
            positions = torch.arange(asking.shape[axis], device=asking.device) * block.q_stride
            other = torch.arange(asked.shape[axis], device=asking.device) * block.kv_stride
            phase = (positions[:, None] - other)[..., None].to(wave.dtype) / wave  # (h, h', C / 4)
            embedding = project(torch.cat([phase.sin(), phase.cos()], dim=2)) / math.sqrt(2)
            projected.append(embedding.unflatten(2, (block.num_heads, -1)))
        return projected[0], projected[1]

    def _publish(self, weights: Tensor, size: Sequence[int], x: Tensor) -> None:
        if self.capturing:
            received = weights.mean((1, 2, 3)).unflatten(1, size).unsqueeze(1) * weights.shape[4]
            received = F.interpolate(received, size=x.shape[2:])
            self.publish(spatial=received.expand(x.shape[0], -1, -1, -1))


def _add(query: Optional[Tensor], bias: Optional[Tensor], heads: int) -> Tensor:
    """Return the query, the bias of its heads as one for all positions, or their sum."""
    terms = [] if query is None else [query]
    if bias is not None:
        terms.append(bias.view(1, heads, -1, 1, 1))
    return sum(terms[1:], terms[0])
