"""Double attention: gather the map into a few descriptors, distribute them to each position.

Paper:   Chen et al., A^2-Nets: Double Attention Networks, NeurIPS 2018, Sec. 3
         https://arxiv.org/abs/1810.11579
Code:    written from the paper.
Differs: nothing in the results. All but the two softmaxes is linear and their weights sum to 1, so
the 1x1 convolutions of features act on the few descriptors and not on the map.
"""

from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, hidden_channels


@MODELS.register_module()
class DoubleAttention(SpatialAttention):
    r"""Add to each position a mixture of descriptors, each of which is an attended mean of the map.

    :math:`y = x + W_e\, A\, \mathrm{softmax}_{HW}(B)^\top\, \mathrm{softmax}_n(V)` with
    :math:`A = W_a x` of :math:`m` channels and :math:`B = W_b x`, :math:`V = W_v x` of :math:`n`

    Its map is the largest weight that a descriptor gives to a position, times the positions.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: :math:`m` and :math:`n` are ``max(C // reduction, 1)``.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``reduction`` is less than 1.

    Example:
        >>> import torch
        >>> DoubleAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'double_attention'
    family = 'global'
    maps = ('spatial',)
    gates = False

    def __init__(self, in_channels: int, reduction: int = 4, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        hidden = hidden_channels(self, in_channels, reduction)
        # A bias of the gathering weights would be the same at all positions, and cancel.
        self.gather = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.distribute = nn.Conv2d(in_channels, hidden, 1)
        self.feature = nn.Linear(in_channels, hidden)
        self.expand = nn.Linear(hidden, in_channels)

    def attend(self, x: Tensor) -> Tensor:
        gather = self.gather(x).flatten(2).softmax(2)  # (N, n, H W)
        distribute = self.distribute(x).flatten(2).softmax(1)  # (N, n, H W)
        means = gather @ x.flatten(2).transpose(1, 2)  # (N, n, C)
        descriptors = self.expand(self.feature(means))  # (N, n, C)
        if self.capturing:
            weight = gather.amax(1, keepdim=True) * gather.shape[2]
            self.publish(spatial=weight.unflatten(2, x.shape[2:]))
        mixed = descriptors.transpose(1, 2) @ distribute
        return x + mixed.unflatten(2, x.shape[2:])
