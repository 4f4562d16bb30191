"""The passes over a map that gates share, each in one kernel: its statistics, and its scaling.

On CUDA they run in Triton kernels, whose backward pass keeps only the map and the small gates;
elsewhere they are PyTorch's own operators. ``MMDET_SPATIALATTN_FUSED=0`` switches the kernels off.
"""

from typing import Optional

import torch
from torch import Tensor

from . import reference
from .backend import describe, fuses, fusion

if hasattr(torch.library, 'custom_op'):  # from torch 2.4 on
    from . import operators

__all__ = ['channel_mean_max', 'describe', 'fuses', 'fusion', 'map_mean', 'map_mean_max', 'scale']


def map_mean(x: Tensor) -> Tensor:
    """Return the mean over ``H, W``, ``(N, C, 1, 1)``."""
    if not fuses(x):
        return x.mean((2, 3), keepdim=True)
    return operators.statistics_of_map(x, False)[0].to(x.dtype)


def map_mean_max(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and maximum over ``H, W``, each ``(N, C, 1, 1)``."""
    if not fuses(x):
        return x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    mean, most, _ = operators.statistics_of_map(x, True)
    return mean.to(x.dtype), most.to(x.dtype)


def channel_mean_max(x: Tensor, gate: Optional[Tensor] = None) -> tuple[Tensor, Tensor]:
    """Return mean and maximum over ``C`` of ``x`` times a channel gate, each ``(N, 1, H, W)``."""
    if not fuses(x):
        x = x if gate is None else x * gate
        return x.mean(1, keepdim=True), x.amax(1, keepdim=True)
    mean, most, _ = operators.statistics_of_channels(x, gate)
    return mean.to(x.dtype), most.to(x.dtype)


def scale(
    x: Tensor,
    channel: Optional[Tensor] = None,
    spatial: Optional[Tensor] = None,
    *,
    combine: str = 'multiply',
    alpha: Optional[Tensor] = None,
) -> Tensor:
    r"""Return ``x`` times gates, or ``alpha`` of the way from ``x`` to that.

    Args:
        x: ``(N, C, H, W)``.
        channel: Gate :math:`c` of the channels, ``(N, C, 1, 1)``.
        spatial: Gate :math:`s` of the locations, ``(N, 1, H, W)``.
        combine: How both gates act: ``'multiply'`` :math:`x c s`, ``'add'`` :math:`x (c + s)`,
            ``'max'`` :math:`\max(x c, x s)`, ``'amplify_product'``
            :math:`x (1 + \sigma(c s))`, ``'amplify_sum'`` :math:`x (1 + \sigma(c + s))`.
        alpha: Scalar; the result is exactly ``x`` at 0 and exactly the scaled map at 1.
    """
    if not fuses(x):
        return reference.scale(x, channel, spatial, combine, alpha)
    return operators.scale(x, channel, spatial, combine, alpha)
