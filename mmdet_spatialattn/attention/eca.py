"""Efficient channel attention.

Paper:   Wang et al., ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks,
         CVPR 2020, Sec. 3 https://arxiv.org/abs/1910.03151
Code:    written from the paper. Authors' release: BangguWu/ECANet (MIT).
Differs: nothing.
"""

import math
from typing import Optional

from torch import Tensor, nn

from ..registry import MODELS
from .base import GatedAttention, check_odd
from .fused import map_statistics


@MODELS.register_module()
class ECA(GatedAttention):
    r"""Weigh each channel by what the means of its neighbours in channel order say about it.

    :math:`y = x \odot \sigma(k *_c \mathrm{mean}_{HW}\, x)`

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        kernel_size: How many channels ``k`` covers, odd; when not given, the paper's choice (Eq.
            12): the odd number near ``(log2(C) + 1) / 2``, at least 3.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``kernel_size`` is even.

    Example:
        >>> import torch
        >>> ECA(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'eca'
    family = 'channel'
    maps = ('channel',)

    def __init__(self, in_channels: int, kernel_size: Optional[int] = None, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        kernel_size = adaptive_kernel_size(in_channels) if kernel_size is None else kernel_size
        check_odd(self, kernel_size=kernel_size)
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def weigh(self, x: Tensor) -> tuple[Tensor, None]:
        (mean,) = map_statistics(x, 'mean')
        squeezed = mean.flatten(1).unsqueeze(1)  # (N, 1, C)
        gate = self.conv(squeezed).sigmoid().squeeze(1)[..., None, None]
        self.publish(channel=gate)
        return gate, None


def adaptive_kernel_size(in_channels: int) -> int:
    """Return the odd number near ``(log2(C) + 1) / 2``, at least 3.

    Example:
        >>> [adaptive_kernel_size(c) for c in (8, 64, 256, 2048)]
        [3, 3, 5, 7]
    """
    nearest = int((math.log2(in_channels) + 1) / 2)
    return max(nearest + (nearest + 1) % 2, 3)
