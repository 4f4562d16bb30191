"""Self-attention over the positions of a map, as in a vision transformer.

Paper:   Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image Recognition at
         Scale, ICLR 2021, Sec. 3.1 (Eq. 2) https://arxiv.org/abs/2010.11929
Code:    written from the paper. Authors' release: google-research/vision_transformer (Apache-2.0).
Differs: only the attention of a block, without its MLP; no position embedding, because the
convolutions around it know where they are. The windows are not in the paper.
"""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, check_divides


@MODELS.register_module()
class SelfAttention2d(SpatialAttention):
    r"""Add to each position what it finds at all positions, or at those of its window.

    :math:`y = x + W_o\, [\mathrm{softmax}(q_i k_i^\top / \sqrt{d})\, v_i]_i` over heads :math:`i`,
    :math:`q, k, v = W \mathrm{LN}(x)`

    Its map is the attention that each position receives; 1 is the average.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        num_heads: Number of heads, a divisor of ``C``.
        window: Side of the windows that positions attend within; ``None`` for the whole map, whose
            cost grows with the square of its positions.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``num_heads`` does not divide ``in_channels``, or ``window`` is less than 1.

    Example:
        >>> SelfAttention2d(64, window=7)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'self_attention'
    family = 'global'
    cost = 'O((HW)^2)'
    maps = ('spatial',)
    gates = False

    def __init__(
        self, in_channels: int, num_heads: int = 8, window: Optional[int] = None, **kwargs
    ) -> None:
        super().__init__(in_channels, **kwargs)
        check_divides(self, in_channels, num_heads=num_heads)
        if window is not None:
            if not isinstance(window, int) or window < 1:
                raise UserError(f'SelfAttention2d: window must be at least 1, got {window!r}')
            self.cost = 'O(HW)'
        self.num_heads = num_heads
        self.window = window
        self.norm = nn.LayerNorm(in_channels, eps=1e-6)
        self.qkv = nn.Linear(in_channels, 3 * in_channels)
        self.proj = nn.Linear(in_channels, in_channels)

    def attend(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        if self.window is None:
            size, mask, padded = (height, width), None, x
        else:
            # The windows at the right and lower border reach beyond the map; nothing is seen there.
            size = (self.window, self.window)
            beyond = (0, -width % self.window, 0, -height % self.window)
            padded = F.pad(x, beyond)
            inside = F.pad(x.new_ones(n, 1, height, width), beyond)
            mask = _split(inside, size).bool().transpose(1, 2).unsqueeze(1)  # (B, 1, 1, L)
        tokens = self.norm(_split(padded, size))  # (B, L, C), B windows of L positions
        qkv = self.qkv(tokens).unflatten(2, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, L, d)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed = self.proj(mixed.transpose(1, 2).flatten(2))
        if self.capturing:
            received = received_attention(q, k, mask)[..., None]
            self.publish(spatial=_join(received, size, padded)[..., :height, :width])
        return x + _join(mixed, size, padded)[..., :height, :width]


def received_attention(q: Tensor, k: Tensor, mask: Optional[Tensor] = None) -> Tensor:
    """Return ``(B, L)``: the attention that each position receives, summed over all queries.

    The mean over heads; 1 is the average position. The queries are taken in parts, so that the
    weights of all pairs are never in memory at once.

    Args:
        q, k: Queries and keys ``(B, heads, L, d)``.
        mask: Which positions exist, ``(B, 1, 1, L)``; all when not given.
    """
    scale = q.shape[-1] ** -0.5
    received = q.new_zeros(q.shape[0], k.shape[2])
    for start in range(0, q.shape[2], 256):
        scores = q[:, :, start : start + 256] @ k.transpose(2, 3) * scale
        if mask is None:
            weights = scores.softmax(-1)
        else:
            weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
            weights = weights * mask.transpose(2, 3)[:, :, start : start + 256]
        received = received + weights.sum(2).mean(1)
    return received


def _split(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the windows of ``(N, C, H, W)`` as ``(N * H / h * W / w, h * w, C)``."""
    (n, c, height, width), (h, w) = x.shape, size
    x = x.reshape(n, c, height // h, h, width // w, w)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(-1, h * w, c)


def _join(tokens: Tensor, size: tuple[int, int], like: Tensor) -> Tensor:
    """Undo :func:`_split` of a map of the size of ``like``."""
    (n, _, height, width), (h, w) = like.shape, size
    x = tokens.reshape(n, height // h, width // w, h, w, -1)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(n, -1, height, width)
