"""SimAM: a parameter-free weight for every single value.

Paper:   Yang et al., SimAM: A Simple, Parameter-Free Attention Module for Convolutional Neural
         Networks, ICML 2021, Sec. 3 http://proceedings.mlr.press/v139/yang21o.html
Code:    written from the paper. Authors' release: ZjjConan/SimAM (MIT).
Differs: a map of one location has the variance 0 here, where the release divides 0 by 0.
"""

import torch
from torch import Tensor

from ..registry import MODELS
from .base import SpatialAttention


@MODELS.register_module()
class SimAM(SpatialAttention):
    r"""Weigh each value by how far it stands out of its channel, the inverse of its energy.

    :math:`y = x \odot \sigma\left(\frac{(x - \mu)^2}{4 (\sigma^2 + \lambda)} + \frac12\right)`,
    mean and unbiased variance over the map of the channel

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        regularizer: :math:`\lambda`.
        **kwargs: See :class:`SpatialAttention`.

    Example:
        >>> SimAM(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'simam'
    family = 'spatial'
    maps = ('channel', 'spatial')

    def __init__(self, in_channels: int, regularizer: float = 1e-4, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.regularizer = regularizer

    def attend(self, x: Tensor) -> Tensor:
        count = x.shape[2] * x.shape[3]
        deviation = (x - x.mean((2, 3), keepdim=True)).square()
        # A mean, not a sum: thousands of squares exceed the range of float16.
        variance = deviation.mean((2, 3), keepdim=True)
        variance.mul_(count / torch.sym_max(count - 1, 1))
        gate = (deviation / (4 * (variance + self.regularizer)) + 0.5).sigmoid()
        self.publish(channel=gate, spatial=gate)
        return x * gate
