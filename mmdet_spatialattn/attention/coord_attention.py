"""Coordinate attention: one gate along the rows, one along the columns.

Paper:   Hou et al., Coordinate Attention for Efficient Mobile Network Design, CVPR 2021, Sec. 3
         https://arxiv.org/abs/2103.02907
Code:    written from the paper. Authors' release: houqb/CoordAttention (MIT).
Differs: nothing.
"""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import MODELS
from .base import SpatialAttention, build_norm, hidden_channels


@MODELS.register_module()
class CoordAttention(SpatialAttention):
    r"""Weigh each channel at each height and at each width by the means along the other axis.

    :math:`y = x \odot \sigma(W_h f_h) \odot \sigma(W_w f_w)` with
    :math:`[f_h;\ f_w] = \mathrm{hswish}(\mathrm{norm}(W_1 [\mathrm{mean}_W x;\
    \mathrm{mean}_H x]))`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: ``r``; the hidden layer has ``max(8, C // r)`` channels.
        norm_cfg: Norm of the hidden layer; ``None`` for none. A detector with ``norm_eval`` keeps a
            BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``reduction`` is less than 1.

    Example:
        >>> CoordAttention(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'coord'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self,
        in_channels: int,
        reduction: int = 32,
        norm_cfg: Optional[dict] = dict(type='BN'),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        hidden = max(8, hidden_channels(self, in_channels, reduction))
        self.conv1 = nn.Conv2d(in_channels, hidden, 1)
        self.norm = build_norm(self, norm_cfg, hidden)
        self.conv_h = nn.Conv2d(hidden, in_channels, 1)
        self.conv_w = nn.Conv2d(hidden, in_channels, 1)

    def attend(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        strips = torch.cat([x.mean(3, keepdim=True), x.mean(2).unsqueeze(3)], dim=2)
        hidden = F.hardswish(self.norm(self.conv1(strips)))  # (N, M, H + W, 1)
        of_height, of_width = hidden.split([height, width], dim=2)
        rows = self.conv_h(of_height).sigmoid()  # (N, C, H, 1)
        columns = self.conv_w(of_width).sigmoid().transpose(2, 3)  # (N, C, 1, W)
        if self.capturing:
            gate = rows * columns
            self.publish(channel=gate, spatial=gate)
        return x * columns * rows
