"""Strip pooling: a gate from the means of whole rows and whole columns.

Paper:   Hou et al., Strip Pooling: Rethinking Spatial Pooling for Scene Parsing, CVPR 2020,
         Sec. 3.1 https://arxiv.org/abs/2003.13328
Code:    written from the paper. Authors' release: houqb/SPNet.
Differs: nothing.
"""

from typing import Optional

from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, build_norm, odd_conv


@MODELS.register_module()
class StripPooling(SpatialAttention):
    r"""Weigh each value by the means of the row and of the column it lies in.

    :math:`y = x \odot \sigma(W\, \mathrm{ReLU}(r + c))`,
    :math:`r = \mathrm{norm}(k_{3 \times 1} * \mathrm{mean}_W\, x)`,
    :math:`c = \mathrm{norm}(k_{1 \times 3} * \mathrm{mean}_H\, x)`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        norm_cfg: Norm after each of the two strip convolutions; ``None`` for none. A detector with
            ``norm_eval`` keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Example:
        >>> import torch
        >>> StripPooling(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'strip_pooling'
    family = 'spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self, in_channels: int, norm_cfg: Optional[dict] = dict(type='BN'), **kwargs
    ) -> None:
        super().__init__(in_channels, **kwargs)
        self.conv1 = odd_conv(self, in_channels, in_channels, (3, 1))
        self.norm1 = build_norm(self, norm_cfg, in_channels)
        self.conv2 = odd_conv(self, in_channels, in_channels, (1, 3))
        self.norm2 = build_norm(self, norm_cfg, in_channels)
        self.conv3 = nn.Conv2d(in_channels, in_channels, 1)

    def attend(self, x: Tensor) -> Tensor:
        rows = self.norm1(self.conv1(x.mean(3, keepdim=True)))  # (N, C, H, 1)
        columns = self.norm2(self.conv2(x.mean(2, keepdim=True)))  # (N, C, 1, W)
        gate = self.conv3((rows + columns).relu_()).sigmoid()
        self.publish(channel=gate, spatial=gate)
        return x * gate
