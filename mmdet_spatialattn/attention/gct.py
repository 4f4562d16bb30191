"""Gated channel transformation: channels compete or cooperate, two scales and a bias each.

Paper:   Yang et al., Gated Channel Transformation for Visual Recognition, CVPR 2020, Sec. 3
         https://arxiv.org/abs/1909.11519
Code:    written from the paper. Authors' release: z-x-yang/GCT.
Differs: nothing; the release calls the three parameters alpha, gamma and beta.
"""

import torch
from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention


@MODELS.register_module()
class GCT(SpatialAttention):
    r"""Weigh each channel by its norm relative to that of all channels.

    :math:`y = x \odot (1 + \tanh(e \gamma / \sqrt{\mathrm{mean}_c\, e^2 + \epsilon} + \beta))`,
    :math:`e = \alpha \sqrt{\sum_{HW} x^2 + \epsilon}`; :math:`\gamma = \beta = 0` at the start

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        eps: :math:`\epsilon`.
        **kwargs: See :class:`SpatialAttention`.

    Example:
        >>> GCT(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'gct'
    family = 'channel'
    maps = ('channel',)
    gates = False
    identity_at_init = True

    def __init__(self, in_channels: int, eps: float = 1e-5, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.eps = eps
        shape = (1, in_channels, 1, 1)
        self.embedding_weight = nn.Parameter(torch.empty(shape))
        self.gating_weight = nn.Parameter(torch.empty(shape))
        self.gating_bias = nn.Parameter(torch.empty(shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.embedding_weight)
        nn.init.zeros_(self.gating_weight)
        nn.init.zeros_(self.gating_bias)

    def attend(self, x: Tensor) -> Tensor:
        # In one pass over the map, without a map of squares; of half-precision values in float32.
        accurate = torch.promote_types(x.dtype, torch.float32)
        norm = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True, dtype=accurate)  # (N, C, 1, 1)
        embedding = (norm.square() + self.eps).sqrt() * self.embedding_weight
        scale = (embedding.square().mean(1, keepdim=True) + self.eps).rsqrt()
        gate = 1 + (embedding * self.gating_weight * scale + self.gating_bias).tanh()
        gate = gate.to(x.dtype)
        self.publish(channel=gate)
        return x * gate
