"""Dual attention: every position sees every position, every channel sees every channel.

Paper:   Fu et al., Dual Attention Network for Scene Segmentation, CVPR 2019, Sec. 3
         https://arxiv.org/abs/1809.02983
Code:    written from the paper. Authors' release: junfu1115/DANet (MIT).
Differs: the segmentation head sums the two halves, and with them the input twice; as a plugin the
input is added once, so that the module starts as the identity. The channel energies are reversed,
as released.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, hidden_channels
from .self_attention import received_attention


@MODELS.register_module()
class DualPositionAttention(SpatialAttention):
    r"""Add to each position a mean of all positions, weighted by match (Sec. 3.2).

    :math:`y = x + \gamma\, V\, \mathrm{softmax}(q_i^\top k_j)^\top`, :math:`\gamma = 0` at the
    start

    Its map is the attention that each position receives; 1 is the average.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: Queries and keys have ``max(C // reduction, 1)`` channels.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``reduction`` is less than 1.

    Example:
        >>> DualPositionAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'dual_position'
    family = 'global'
    cost = 'O((HW)^2)'
    maps = ('spatial',)
    gates = False
    identity_at_init = True

    def __init__(self, in_channels: int, reduction: int = 8, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        hidden = hidden_channels(self, in_channels, reduction)
        self.query = nn.Conv2d(in_channels, hidden, 1)
        self.key = nn.Conv2d(in_channels, hidden, 1)
        self.value = nn.Conv2d(in_channels, in_channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.gamma)

    def attend(self, x: Tensor) -> Tensor:
        return x + self.update(x)

    def update(self, x: Tensor) -> Tensor:
        """Return what :meth:`attend` adds to ``x``."""
        layers = (self.query, self.key, self.value)
        query, key, value = (layer(x).flatten(2).transpose(1, 2).unsqueeze(1) for layer in layers)
        mixed = F.scaled_dot_product_attention(query, key, value, scale=1.0)  # (N, 1, H W, C)
        if self.capturing:
            received = received_attention(query * query.shape[3] ** 0.5, key)
            self.publish(spatial=received.unsqueeze(1).unflatten(2, x.shape[2:]))
        return self.gamma * mixed.squeeze(1).transpose(1, 2).unflatten(2, x.shape[2:])


@MODELS.register_module()
class DualChannelAttention(SpatialAttention):
    r"""Add to each channel a mean of all channels, weighted by how much they differ (Sec. 3.3).

    :math:`y = x + \gamma\, \mathrm{softmax}(-x x^\top)\, x`, :math:`\gamma = 0` at the start

    The products are sums over all positions: in float16 they overflow on large maps, in bfloat16
    they do not. Its map is the attention that each channel receives; 1 is the average.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it. No weight depends on it.
        **kwargs: See :class:`SpatialAttention`.

    Example:
        >>> DualChannelAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'dual_channel'
    family = 'global'
    maps = ('channel',)
    gates = False
    identity_at_init = True

    def __init__(self, in_channels: int, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.gamma = nn.Parameter(torch.zeros(1))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.gamma)

    def attend(self, x: Tensor) -> Tensor:
        return x + self.update(x)

    def update(self, x: Tensor) -> Tensor:
        """Return what :meth:`attend` adds to ``x``."""
        positions = x.flatten(2)  # (N, C, H W)
        # The release takes the maximum of each row minus the energy; the softmax ignores the
        # maximum.
        weights = (positions @ positions.transpose(1, 2)).neg().softmax(2)  # (N, C, C)
        self.publish(channel=weights.sum(1)[..., None, None])
        return self.gamma * (weights @ positions).unflatten(2, x.shape[2:])


@MODELS.register_module()
class DualAttention(SpatialAttention):
    r"""Add what both halves add.

    :math:`y = x + P(x) + C(x)` with what :class:`DualPositionAttention` :math:`P` and
    :class:`DualChannelAttention` :math:`C` add to :math:`x`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: See :class:`DualPositionAttention`.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``reduction`` is less than 1.

    Example:
        >>> DualAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'dual'
    family = 'global'
    cost = 'O((HW)^2)'
    maps = ('channel', 'spatial')
    gates = False
    identity_at_init = True

    def __init__(self, in_channels: int, reduction: int = 8, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.position = DualPositionAttention(in_channels, reduction)
        self.channel = DualChannelAttention(in_channels)

    def attend(self, x: Tensor) -> Tensor:
        return x + self.position.update(x) + self.channel.update(x)
