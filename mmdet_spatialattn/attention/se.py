"""Squeeze-and-excitation.

Paper:   Hu et al., Squeeze-and-Excitation Networks, CVPR 2018, Sec. 3
         https://arxiv.org/abs/1709.01507
Code:    written from the paper. Authors' release: hujie-frank/SENet (Apache-2.0, Caffe).
Differs: nothing; ``bias=True`` is the released model, ``bias=False`` the widespread PyTorch port.
"""

from torch import Tensor, nn

from ..registry import MODELS
from .base import GatedAttention, hidden_channels
from .fused import map_statistics


@MODELS.register_module()
class SE(GatedAttention):
    r"""Weigh each channel by what all channels' means say about it.

    :math:`y = x \odot \sigma(W_2\, \mathrm{ReLU}(W_1\, \mathrm{mean}_{HW}\, x))`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: ``r``; the hidden layer has ``max(C // r, 1)`` channels.
        bias: Biases in both layers, as in the authors' Caffe model.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``reduction`` is less than 1.

    Example:
        >>> import torch
        >>> SE(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'se'
    family = 'channel'
    maps = ('channel',)

    def __init__(self, in_channels: int, reduction: int = 16, bias: bool = True, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        hidden = hidden_channels(self, in_channels, reduction)
        self.fc1 = nn.Conv2d(in_channels, hidden, 1, bias=bias)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(hidden, in_channels, 1, bias=bias)

    def weigh(self, x: Tensor) -> tuple[Tensor, None]:
        (squeezed,) = map_statistics(x, 'mean')  # (N, C, 1, 1)
        gate = self.fc2(self.relu(self.fc1(squeezed))).sigmoid()
        self.publish(channel=gate)
        return gate, None
