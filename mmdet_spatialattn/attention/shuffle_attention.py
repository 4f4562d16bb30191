"""Shuffle attention: half of each group's channels gated by mean, half by location.

Paper:   Zhang and Yang, SA-Net: Shuffle Attention for Deep Convolutional Neural Networks, ICASSP
         2021, Sec. 3 https://arxiv.org/abs/2102.00240
Code:    written from the paper. Authors' release: wofmanaf/SA-Net.
Differs: ``shuffle`` can be switched off, because it permutes the channels that pretrained layers
behind the module expect.
"""

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import GroupNorm, SpatialAttention


@MODELS.register_module()
class ShuffleAttention(SpatialAttention):
    r"""Gate one half of each group by its channel means, the other by its normed values.

    :math:`y = \mathrm{shuffle}([a \odot \sigma(w_1\, \mathrm{mean}_{HW}\, a + b_1);\
    b \odot \sigma(w_2\, \mathrm{GN}(b) + b_2)])` for the halves :math:`[a;\ b]` of each group; the
    groups share the weights

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        groups: Number of groups; each must hold an even number of channels.
        shuffle: Interleave the first and the second half of the channels, as in the paper. Switch
            it off in front of pretrained layers.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``2 * groups`` does not divide ``C``; the message lists which groups do.

    Example:
        >>> ShuffleAttention(64, groups=8)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'shuffle'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(self, in_channels: int, groups: int = 64, shuffle: bool = True, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        if not isinstance(groups, int) or groups < 1 or in_channels % (2 * groups):
            fit = [str(g) for g in range(1, in_channels + 1) if in_channels % (2 * g) == 0]
            raise UserError(
                f'ShuffleAttention: groups={groups!r} does not split in_channels={in_channels} '
                f'into groups of an even size; choose {" or ".join(fit) or "an even in_channels"}'
            )
        half = in_channels // groups // 2
        self.groups = groups
        self.shuffle = shuffle
        self.channel_weight = nn.Parameter(torch.zeros(half, 1, 1))
        self.channel_bias = nn.Parameter(torch.ones(half, 1, 1))
        self.norm = GroupNorm(half, half)
        self.spatial_weight = nn.Parameter(torch.zeros(half, 1, 1))
        self.spatial_bias = nn.Parameter(torch.ones(half, 1, 1))

    def attend(self, x: Tensor) -> Tensor:
        first, second = x.unflatten(1, (self.groups, 2, -1)).unbind(2)  # (N, G, C / 2G, H, W)
        mean = first.mean((3, 4), keepdim=True)
        channel = torch.addcmul(self.channel_bias, self.channel_weight, mean).sigmoid()
        normed = self.norm(second.flatten(0, 1)).view_as(second)
        spatial = torch.addcmul(self.spatial_bias, self.spatial_weight, normed).sigmoid()
        if self.capturing:
            gate = torch.stack([channel.expand_as(spatial), spatial], dim=2).flatten(1, 3)
            self.publish(channel=gate, spatial=gate)
        y = torch.stack([first * channel, second * spatial], dim=2).flatten(1, 3)
        return y.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2) if self.shuffle else y
