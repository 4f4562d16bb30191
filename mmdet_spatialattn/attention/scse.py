"""scSE: squeeze over locations and over channels, at once.

Paper:   Roy et al., Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional
         Networks, MICCAI 2018, Sec. 2 https://arxiv.org/abs/1803.02579
Code:    written from the paper. Authors' release: ai-med/squeeze_and_excitation (MIT).
Differs: the release takes the maximum of the two outputs, the paper first printed their sum;
``combine`` chooses.
"""

from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import GatedAttention, hidden_channels
from .fused import map_statistics

COMBINATIONS = ('max', 'add')


@MODELS.register_module()
class SCSE(GatedAttention):
    r"""Gate the channels and the locations side by side, and keep the larger output.

    :math:`y = \max(x \odot \sigma(\mathrm{MLP}(\mathrm{mean}_{HW}\, x)),
    x \odot \sigma(w^\top x + b))`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: The hidden layer of the channel gate has ``max(C // reduction, 1)`` channels.
        combine: ``'max'`` of the two outputs as released, or ``'add'`` them.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``combine`` is unknown, or ``reduction`` is less than 1.

    Example:
        >>> import torch
        >>> SCSE(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'scse'
    family = 'channel+spatial'
    maps = ('channel', 'spatial')

    def __init__(
        self, in_channels: int, reduction: int = 2, combine: str = 'max', **kwargs
    ) -> None:
        super().__init__(in_channels, **kwargs)
        if combine not in COMBINATIONS:
            raise UserError(f'SCSE: combine must be one of {COMBINATIONS}, got {combine!r}')
        self.combine = self.rule = combine
        hidden = hidden_channels(self, in_channels, reduction)
        self.channel = nn.Sequential(
            nn.Conv2d(in_channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, in_channels, 1),
        )
        self.spatial = nn.Conv2d(in_channels, 1, 1)

    def weigh(self, x: Tensor) -> tuple[Tensor, Tensor]:
        channel = self.channel(*map_statistics(x, 'mean')).sigmoid()  # (N, C, 1, 1)
        spatial = self.spatial(x).sigmoid()  # (N, 1, H, W)
        self.publish(channel=channel, spatial=spatial)
        return channel, spatial
