"""BAM: what a channel says and what a location says, multiplied.

Paper:   Park et al., BAM: Bottleneck Attention Module, BMVC 2018, Sec. 3
         https://arxiv.org/abs/1807.06514
Code:    written from the paper. Authors' release: Jongchan/attention-module (MIT).
Differs: the release multiplies the two branches, the paper adds them; ``combine`` chooses. The
release pools squares only; here the mean is over any map.
"""

from typing import Optional

from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import GatedAttention, build_norm, hidden_channels, odd_conv
from .fused import map_statistics

COMBINATIONS = {'multiply': 'amplify_product', 'add': 'amplify_sum'}


@MODELS.register_module()
class BAM(GatedAttention):
    r"""Amplify what a channel branch and a dilated spatial branch agree on.

    :math:`y = x \odot (1 + \sigma(c(\mathrm{mean}_{HW}\, x) \odot s(x)))`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: Both branches narrow to ``max(C // reduction, 1)`` channels.
        dilation: Of the two 3x3 convolutions in the spatial branch.
        combine: ``'multiply'`` the branches as released, or ``'add'`` them as printed.
        norm_cfg: Norm after each convolution but the last of a branch. A detector with
            ``norm_eval`` keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``combine`` is unknown, or ``reduction`` or ``dilation`` is less than 1.

    Example:
        >>> import torch
        >>> BAM(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'bam'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self,
        in_channels: int,
        reduction: int = 16,
        dilation: int = 4,
        combine: str = 'multiply',
        norm_cfg: Optional[dict] = dict(type='BN'),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        if combine not in COMBINATIONS:
            raise UserError(f'BAM: combine must be one of {tuple(COMBINATIONS)}, got {combine!r}')
        if not isinstance(dilation, int) or dilation < 1:
            raise UserError(f'BAM: dilation must be a positive integer, got {dilation!r}')
        self.combine = combine
        self.rule = COMBINATIONS[combine]
        hidden = hidden_channels(self, in_channels, reduction)

        def normed(conv: nn.Conv2d) -> list[nn.Module]:
            return [conv, build_norm(self, norm_cfg, hidden), nn.ReLU(inplace=True)]

        self.channel = nn.Sequential(
            *normed(nn.Conv2d(in_channels, hidden, 1)), nn.Conv2d(hidden, in_channels, 1)
        )
        self.spatial = nn.Sequential(
            *normed(nn.Conv2d(in_channels, hidden, 1)),
            *normed(odd_conv(self, hidden, hidden, 3, dilation, bias=True)),
            *normed(odd_conv(self, hidden, hidden, 3, dilation, bias=True)),
            nn.Conv2d(hidden, 1, 1),
        )

    def weigh(self, x: Tensor) -> tuple[Tensor, Tensor]:
        channel = self.channel(*map_statistics(x, 'mean'))  # (N, C, 1, 1)
        spatial = self.spatial(x)  # (N, 1, H, W)
        if self.capturing:
            score = channel * spatial if self.combine == 'multiply' else channel + spatial
            gate = score.sigmoid()
            self.publish(channel=gate, spatial=gate)
        return channel, spatial
