"""Spatial group-wise enhance: each group of channels looks for what it saw on average.

Paper:   Li et al., Spatial Group-wise Enhance: Improving Semantic Feature Learning in
         Convolutional Networks, 2019, Sec. 3 https://arxiv.org/abs/1905.09646
Code:    written from the paper. Authors' release: implus/PytorchInsight.
Differs: a map of one location has the deviation 0 here, where the release divides 0 by 0.
"""

import torch
from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, check_divides


@MODELS.register_module()
class SGE(SpatialAttention):
    r"""In each group of channels, weigh each location by its likeness to the group's mean.

    :math:`y = x \odot \sigma(w\, \mathrm{standardise}_{HW}(s) + b)`,
    :math:`s = \langle x, \mathrm{mean}_{HW}\, x \rangle` over the channels of the group;
    :math:`w = 0, b = 1` at the start

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        groups: How many groups, a divisor of ``C``. The paper uses 64.
        eps: Added to the deviation.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``groups`` does not divide ``in_channels``.

    Example:
        >>> SGE(64, groups=8)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'sge'
    family = 'spatial'
    maps = ('spatial',)

    def __init__(self, in_channels: int, groups: int = 64, eps: float = 1e-5, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        check_divides(self, in_channels, groups=groups)
        self.groups = groups
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(1, groups, 1, 1))
        self.bias = nn.Parameter(torch.empty(1, groups, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.ones_(self.bias)

    def attend(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        grouped = x.reshape(n, self.groups, c // self.groups, h * w)
        likeness = grouped.mean(3).unsqueeze(2) @ grouped  # (N, G, 1, H * W)
        centred = likeness - likeness.mean(3, keepdim=True)
        # Not std(): that of a single location is not a number.
        norm = torch.linalg.vector_norm(centred, dim=3, keepdim=True)
        deviation = norm / torch.sym_max(h * w - 1, 1) ** 0.5
        standard = (centred / (deviation + self.eps)).view(n, self.groups, h, w)
        gate = (standard * self.weight + self.bias).sigmoid()  # (N, G, H, W)
        self.publish(spatial=gate)
        return (grouped * gate.view(n, self.groups, 1, h * w)).view(n, c, h, w)
