"""Capacity without attention: the fair opponent of an attention module.

Paper:   none of its own; a residual adapter as in Rebuffi et al., Learning Multiple Visual Domains
         with Residual Adapters, NeurIPS 2017 https://arxiv.org/abs/1705.08045
Code:    written from the formula.
Differs: two 1x1 convolutions with a ReLU between them and without norms, so that the number of
parameters can be chosen.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention


@MODELS.register_module()
class CapacityControl(SpatialAttention):
    r"""Add to each location a function of that location alone, about as large as a named module.

    :math:`y = x + V\, \mathrm{ReLU}(W x)`, :math:`V = 0` at the start

    More parameters lift a detector whatever they do. An attention module helps as attention only
    by what it gains over this one, which weighs nothing and looks nowhere else.

    It has :math:`2 C h` parameters, with the whole number :math:`h \ge 1` that comes nearest to the
    number of the module named by ``like``: within :math:`C` of it, and :math:`2 C` for modules that
    have fewer. CBAM at 256 channels has 8,564 and its opponent 8,704.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        like: The config of the module to match, such as ``dict(type='CBAM', reduction=16)``.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``like`` names no attention module, or does not fit it.

    Example:
        >>> control = CapacityControl(256, like=dict(type='CBAM'))
        >>> sum(p.numel() for p in control.parameters())
        8704
    """

    _abbr_ = 'capacity_control'
    family = 'control'
    identity_at_init = True

    def __init__(
        self, in_channels: int, like: dict = dict(type='CBAM', reduction=16), **kwargs
    ) -> None:
        from .catalogue import build_attention  # the catalogue imports all modules

        super().__init__(in_channels, **kwargs)
        if not isinstance(like, dict) or 'type' not in like:
            raise UserError(
                f"CapacityControl: like must name a module, as dict(type='CBAM'), got {like!r}"
            )
        arguments = {key: value for key, value in like.items() if key != 'type'}
        with torch.device('meta'):  # only counted: no memory, no random numbers
            matched = build_attention(like['type'], in_channels, **arguments)
        count = sum(p.numel() for p in matched.parameters())
        hidden = max(round(count / (2 * in_channels)), 1)
        self.down = nn.Conv2d(in_channels, hidden, 1, bias=False)
        # Bare, so that no initialiser of convolutions reaches it: the gradient passes through the
        # random first layer, and the zeros of the second keep the output.
        self.up = nn.Parameter(torch.empty(in_channels, hidden, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.up)

    def attend(self, x: Tensor) -> Tensor:
        return x + F.conv2d(self.down(x).relu_(), self.up)
