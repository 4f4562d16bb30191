"""The passes over a map that gates share, each in one kernel: its statistics, and its scaling.

They are PyTorch's own operators. On CUDA with ``MMDET_SPATIALATTN_FUSED=1`` they run in Triton
kernels, whose backward pass keeps only the map and the small gates.
"""

from typing import Optional

import torch
from torch import Tensor

from . import reference
from .backend import describe, fuses, fusion

if hasattr(torch.library, 'custom_op'):  # from torch 2.4 on
    from . import operators

__all__ = ['channel_statistics', 'describe', 'fuses', 'fusion', 'map_statistics', 'scale']


def map_statistics(x: Tensor, *names: str) -> list[Tensor]:
    """Return ``'mean'`` or ``'max'`` over ``H, W``, as named: each ``(N, C, 1, 1)``."""
    if not fuses(x):
        return [_pool(x, name, (2, 3)) for name in names]
    mean, most, _ = operators.statistics_of_map(x, 'max' in names)
    return [(mean if name == 'mean' else most).to(x.dtype) for name in names]


def channel_statistics(x: Tensor, *names: str, gate: Optional[Tensor] = None) -> list[Tensor]:
    """Return ``'mean'`` or ``'max'`` over ``C``, as named: each ``(N, 1, H, W)``.

    With the gate of a channel, ``(N, C, 1, 1)``, they are those of ``x * gate``.
    """
    if not fuses(x):
        x = x if gate is None else x * gate
        return [_pool(x, name, (1,)) for name in names]
    mean, most, _ = operators.statistics_of_channels(x, gate)
    return [(mean if name == 'mean' else most).to(x.dtype) for name in names]


def _pool(x: Tensor, name: str, axes: tuple[int, ...]) -> Tensor:
    return x.mean(axes, keepdim=True) if name == 'mean' else x.amax(axes, keepdim=True)


def scale(
    x: Tensor,
    channel: Optional[Tensor] = None,
    spatial: Optional[Tensor] = None,
    *,
    rule: str = 'multiply',
    alpha: Optional[Tensor] = None,
) -> Tensor:
    r"""Return ``x`` times gates, or ``alpha`` of the way from ``x`` to that.

    Args:
        x: ``(N, C, H, W)``.
        channel: Gate :math:`c` of the channels, ``(N, C, 1, 1)``.
        spatial: Gate :math:`s` of the locations, ``(N, 1, H, W)``.
        rule: How both gates act: ``'multiply'`` :math:`x c s`, ``'add'`` :math:`x (c + s)`,
            ``'max'`` :math:`\max(x c, x s)`, ``'amplify_product'``
            :math:`x (1 + \sigma(c s))`, ``'amplify_sum'`` :math:`x (1 + \sigma(c + s))`.
        alpha: Scalar; the result is exactly ``x`` at 0 and exactly the scaled map at 1.
    """
    if not fuses(x):
        return reference.scale(x, channel, spatial, rule, alpha)
    return operators.scale(x, channel, spatial, rule, alpha)
