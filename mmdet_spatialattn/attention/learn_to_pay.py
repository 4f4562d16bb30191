"""Learn to pay attention: weigh each location by its compatibility with a guide.

Paper:   Jetley et al., Learn To Pay Attention, ICLR 2018, Sec. 3
         https://arxiv.org/abs/1804.02391
Code:    written from the paper. Authors' release: SaumyaJetley/cd_ICLR2018_LearnToPayAttention.
Differs: the paper sums the weighted features up to a descriptor for a classifier; a detector needs
a map, so the features are multiplied by the weights, scaled so that an indifferent guide changes
nothing. The guide may be a map of any size; a global guide is the paper's.
"""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import GuidedAttention, resize_guide

SCORES = ('sum', 'dot')
NORMALISATIONS = ('softmax', 'sigmoid')


@MODELS.register_module()
class LearnToPayAttention(GuidedAttention):
    r"""Weigh each location by how compatible its feature is with the guide's.

    :math:`y = x \odot HW\,\mathrm{softmax}_{HW}(u^\top (P x + g))`, with :math:`P` where the widths
    differ; or :math:`\langle P x, g \rangle` as the score, or :math:`2\,\sigma` instead of
    :math:`HW\,\mathrm{softmax}`

    Shape:
        Input ``(N, C, H, W)`` and guide ``(N, G, H', W')``, any sizes >= 1; output as the input.
        With the sum as the score and the softmax, a global guide shifts all scores alike and so
        changes nothing: give it a map, or choose ``score='dot'``.

    Args:
        in_channels: ``C``; the host passes it.
        guide_channels: ``G``; ``C`` when not given.
        score: ``'sum'``, the paper's learned vector ``u`` on the sum (its "parameterised
            compatibility"), or ``'dot'``, the dot product.
        normalise: ``'softmax'`` over the locations, or ``'sigmoid'`` at each.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``score`` or ``normalise`` is unknown, or the guide has other channels.

    Example:
        >>> attention = LearnToPayAttention(64, guide_channels=128)
        >>> attention(torch.rand(2, 64, 20, 13), torch.rand(2, 128, 5, 4)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'learn_to_pay'
    maps = ('spatial',)
    gates = False

    def __init__(
        self,
        in_channels: int,
        guide_channels: Optional[int] = None,
        score: str = 'sum',
        normalise: str = 'softmax',
        **kwargs,
    ) -> None:
        super().__init__(in_channels, guide_channels, **kwargs)
        if score not in SCORES:
            raise UserError(f'LearnToPayAttention: score must be one of {SCORES}, got {score!r}')
        if normalise not in NORMALISATIONS:
            raise UserError(
                f'LearnToPayAttention: normalise must be one of {NORMALISATIONS}, got {normalise!r}'
            )
        self.normalise = normalise
        differ = self.guide_channels != in_channels
        self.project = nn.Linear(in_channels, self.guide_channels, bias=False) if differ else None
        self.score = nn.Linear(self.guide_channels, 1, bias=False) if score == 'sum' else None

    def attend(self, x: Tensor, guide: Tensor) -> Tensor:  # type: ignore[override]
        score = self._dot(x, guide) if self.score is None else self._sum(x, guide, self.score)
        if self.normalise == 'softmax':
            gate = score.flatten(1).softmax(1).view_as(score) * (x.shape[2] * x.shape[3])
        else:
            gate = 2 * score.sigmoid()
        gate = gate.to(x.dtype)
        self.publish(spatial=gate)
        return x * gate

    def _sum(self, x: Tensor, guide: Tensor, score: nn.Linear) -> Tensor:
        # u^T (P x + g) = (u^T P) x + u^T g: neither the projected map nor the sum is ever made, and
        # the resizing, which is linear too, is of one channel.
        u = score.weight
        u_of_x = u if self.project is None else u @ self.project.weight
        of_guide = F.conv2d(guide, u[..., None, None])
        return F.conv2d(x, u_of_x[..., None, None]) + resize_guide(of_guide, x.shape[2:])

    def _dot(self, x: Tensor, guide: Tensor) -> Tensor:
        # <P x, g> = <x, P^T g>: the guide is the smaller map to project.
        if self.project is not None:
            guide = F.conv2d(guide, self.project.weight.t()[..., None, None])
        return torch.sum(x * resize_guide(guide, x.shape[2:]), dim=1, keepdim=True)
