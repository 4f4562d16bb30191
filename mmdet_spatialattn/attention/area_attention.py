"""Area attention: self-attention within a few equal strips of the map.

Paper:   Tian et al., YOLOv12: Attention-Centric Real-Time Object Detectors, NeurIPS 2025, Sec. 3.2
         https://arxiv.org/abs/2502.12524
Code:    written from the paper. Authors' release: sunsmarterjie/yolov12 (AGPL-3.0).
Differs: only the attention of a block with its residual, without its MLP. Maps whose positions the
number of strips does not divide are padded, and nothing is seen in the padding.
"""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, build_norm, check_divides, odd_conv
from .self_attention import received_attention


@MODELS.register_module()
class AreaAttention(SpatialAttention):
    r"""Add to each position what it finds in its strip, and what is around it.

    :math:`y = x + W_o ([\mathrm{softmax}(q_i k_i^\top / \sqrt{d})\, v_i]_i + d_{7 \times 7} * v)`
    over heads :math:`i` within each strip; :math:`q, k, v = W x`; a norm after each convolution

    The positions are split row by row into ``areas`` runs of equal length, which are strips of
    whole rows where the rows can be divided. Its map is the attention that each position receives;
    1 is the average.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        num_heads: Number of heads, a divisor of ``C``; ``max(C // 32, 1)`` when not given.
        areas: Number of strips.
        kernel_size: Side of the depthwise window that encodes positions, odd.
        norm_cfg: Norm after each convolution; ``None`` for none. A detector with ``norm_eval``
            keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``num_heads`` does not divide ``C``, ``areas`` is less than 1, or ``kernel_size``
            is even.

    Example:
        >>> AreaAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'area'
    family = 'global'
    cost = 'O((HW)^2)'
    maps = ('spatial',)
    gates = False

    def __init__(
        self,
        in_channels: int,
        num_heads: Optional[int] = None,
        areas: int = 4,
        kernel_size: int = 7,
        norm_cfg: Optional[dict] = dict(type='BN'),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        if not isinstance(areas, int) or areas < 1:
            raise UserError(f'AreaAttention: areas must be a positive integer, got {areas!r}')
        num_heads = max(in_channels // 32, 1) if num_heads is None else num_heads
        check_divides(self, in_channels, num_heads=num_heads)
        self.num_heads = num_heads
        self.areas = areas

        def normed(conv: nn.Conv2d) -> nn.Sequential:
            return nn.Sequential(conv, build_norm(self, norm_cfg, conv.out_channels))

        bias = norm_cfg is None
        self.qkv = normed(nn.Conv2d(in_channels, 3 * in_channels, 1, bias=bias))
        self.position = normed(
            odd_conv(self, in_channels, in_channels, kernel_size, groups=in_channels, bias=bias)
        )
        self.proj = normed(nn.Conv2d(in_channels, in_channels, 1, bias=bias))

    def attend(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        qkv = self.qkv(x)  # (N, 3C, H, W)
        length = (height * width + self.areas - 1) // self.areas
        extra = self.areas * length - height * width
        strips = F.pad(qkv.flatten(2), (0, extra)).reshape(
            n, 3, self.num_heads, c // self.num_heads, self.areas, length
        )
        # (3, N areas, heads, L, d)
        q, k, v = strips.permute(1, 0, 4, 2, 5, 3).flatten(1, 2).unbind(0)
        # Very small instead of minus infinity: a strip may be all padding, and must not be NaN.
        smallest = torch.finfo(q.dtype).min
        mask = F.pad(q.new_zeros(n, height * width), (0, extra), value=smallest)
        mask = mask.view(n * self.areas, 1, 1, length)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        if self.capturing:
            received = received_attention(q, k, mask == 0).view(n, 1, -1)
            self.publish(spatial=F.pad(received, (0, -extra)).unflatten(2, (height, width)))
        mixed = mixed.unflatten(0, (n, self.areas)).permute(0, 2, 4, 1, 3).reshape(n, c, -1)
        # Padding by less than nothing: a slice would bake into an export whether it is contiguous.
        mixed = F.pad(mixed, (0, -extra)).unflatten(2, (height, width))
        return x + self.proj(mixed + self.position(qkv.chunk(3, dim=1)[2]))
