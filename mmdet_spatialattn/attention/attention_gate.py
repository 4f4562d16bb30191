"""Attention gate: a coarse map decides where a finer one may pass.

Paper:   Oktay et al., Attention U-Net: Learning Where to Look for the Pancreas, MIDL 2018,
         Sec. 3.1 https://arxiv.org/abs/1804.03999
Code:    written from the paper. Authors' release: ozan-oktay/Attention-Gated-Networks (MIT).
Differs: the release ends with a 1x1 convolution and a norm on the gated map, which belong to its
decoder and not to the gate; they are left out. A map of one row or column, too small for the 2x2
convolution, has it repeated.
"""

from typing import Optional

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import GuidedAttention, resize_guide


@MODELS.register_module()
class AttentionGate(GuidedAttention):
    r"""Weigh each location by what its neighbourhood and the guide there say together.

    :math:`y = x \odot \sigma(\psi(\mathrm{ReLU}(\theta(x) + \phi(g))))`, :math:`\theta` at half the
    resolution; the gate is resized back bilinearly

    Shape:
        Input ``(N, C, H, W)`` and guide ``(N, G, H', W')``, any sizes >= 1; output as the input.

    Args:
        in_channels: ``C``; the host passes it.
        guide_channels: ``G``; ``C`` when not given.
        hidden_channels: Width of :math:`\theta` and :math:`\phi`; ``max(C // 2, 1)`` when not
            given.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``hidden_channels`` is less than 1, or the guide has other channels.

    Example:
        >>> import torch
        >>> gate = AttentionGate(64, guide_channels=128)
        >>> gate(torch.rand(2, 64, 20, 13), torch.rand(2, 128, 5, 4)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'attention_gate'
    maps = ('spatial',)

    def __init__(
        self,
        in_channels: int,
        guide_channels: Optional[int] = None,
        hidden_channels: Optional[int] = None,
        **kwargs,
    ) -> None:
        super().__init__(in_channels, guide_channels, **kwargs)
        hidden = max(in_channels // 2, 1) if hidden_channels is None else hidden_channels
        if hidden < 1:
            raise UserError(f'AttentionGate: hidden_channels must be at least 1, got {hidden}')
        self.theta = nn.Conv2d(in_channels, hidden, 2, stride=2, bias=False)
        self.phi = nn.Conv2d(self.guide_channels, hidden, 1)
        self.psi = nn.Conv2d(hidden, 1, 1)

    def attend(self, x: Tensor, guide: Tensor) -> Tensor:  # type: ignore[override]
        height, width = x.shape[2:]
        whole = x
        if height < 2 or width < 2:
            whole = F.pad(x, (0, int(width < 2), 0, int(height < 2)), mode='replicate')
        theta = self.theta(whole)  # (N, C / 2, H // 2, W // 2)
        phi = resize_guide(self.phi(guide), theta.shape[2:])
        gate = self.psi((theta + phi).relu()).sigmoid()
        gate = F.interpolate(gate, size=(height, width), mode='bilinear', align_corners=False)
        self.publish(spatial=gate)
        return x * gate
