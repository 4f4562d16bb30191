"""The operations in plain PyTorch: the definition that every back end must equal.

The statistics come with the number of positions, or channels, that share the maximum: the gradient
of a maximum is divided evenly among them, as that of :func:`torch.amax`.
"""

from typing import Optional

import torch
from torch import Tensor


def statistics_of_map(x: Tensor, maximum: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, maximum and ties over ``H, W``, each ``(N, C, 1, 1)``."""
    x = accurate(x)
    mean = x.mean((2, 3), keepdim=True)
    if not maximum:
        return mean, mean.new_empty(0), mean.new_empty(0)
    most = x.amax((2, 3), keepdim=True)
    return mean, most, (x == most).sum((2, 3), keepdim=True).to(x.dtype)


def statistics_of_map_backward(
    x: Tensor, most: Tensor, ties: Tensor, d_mean: Tensor, d_most: Tensor
) -> Tensor:
    area = x.shape[2] * x.shape[3]
    d_x = d_mean / area + torch.where(accurate(x) == most, d_most / ties, 0)
    return d_x.to(x.dtype)


def statistics_of_channels(x: Tensor, gate: Optional[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, maximum and ties over ``C`` of ``x`` times a channel gate, ``(N, 1, H, W)``."""
    x = accurate(x) if gate is None else accurate(x) * gate
    most = x.amax(1, keepdim=True)
    return x.mean(1, keepdim=True), most, (x == most).sum(1, keepdim=True).to(x.dtype)


def statistics_of_channels_backward(
    x: Tensor,
    gate: Optional[Tensor],
    most: Tensor,
    ties: Tensor,
    d_mean: Tensor,
    d_most: Tensor,
) -> tuple[Tensor, Tensor]:
    value = accurate(x)
    gated = value if gate is None else value * gate
    gradient = d_mean / x.shape[1] + torch.where(gated == most, d_most / ties, 0)
    if gate is None:
        return gradient.to(x.dtype), x.new_empty(0)
    d_gate = (gradient * value).sum((2, 3), keepdim=True)
    return (gradient * gate).to(x.dtype), d_gate.to(gate.dtype)


def scale(
    x: Tensor,
    channel: Optional[Tensor],
    spatial: Optional[Tensor],
    rule: str,
    alpha: Optional[Tensor],
) -> Tensor:
    """Return ``x`` times the gates; with ``alpha``, that far on the way from ``x`` to it."""
    y = _scaled(x, channel, spatial, rule).to(x.dtype)
    return y if alpha is None else torch.lerp(x, y, alpha.to(x.dtype))


def _scaled(x: Tensor, channel: Optional[Tensor], spatial: Optional[Tensor], rule: str) -> Tensor:
    if channel is None or spatial is None:
        gate = spatial if channel is None else channel
        return x if gate is None else x * gate
    if rule == 'multiply':
        return x * channel * spatial
    if rule == 'add':
        return x * (channel + spatial)
    if rule == 'max':
        return torch.maximum(x * channel, x * spatial)
    score = channel * spatial if rule == 'amplify_product' else channel + spatial
    return torch.addcmul(x, x, score.sigmoid())


def scale_backward(
    d_y: Tensor,
    x: Tensor,
    channel: Optional[Tensor],
    spatial: Optional[Tensor],
    rule: str,
    alpha: Optional[Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    value, d_y = accurate(x), accurate(d_y)
    factor, by_channel, by_spatial = _factor(value, channel, spatial, rule)
    d_factor = d_y * value
    d_alpha = x.new_empty(0)
    if alpha is not None:
        d_alpha = (d_factor * (factor - 1)).sum().to(alpha.dtype)
        d_factor = d_factor * alpha
        factor = 1 + alpha * (factor - 1)
    d_channel = d_spatial = x.new_empty(0)
    if channel is not None:
        d_channel = (d_factor * by_channel).sum((2, 3), keepdim=True).to(channel.dtype)
    if spatial is not None:
        d_spatial = (d_factor * by_spatial).sum(1, keepdim=True).to(spatial.dtype)
    return (d_y * factor).to(x.dtype), d_channel, d_spatial, d_alpha


def _factor(
    x: Tensor, channel: Optional[Tensor], spatial: Optional[Tensor], rule: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the factor of ``x`` and its derivatives by the two gates."""
    one = x.new_ones(())
    channel = one if channel is None else channel
    spatial = one if spatial is None else spatial
    if rule == 'multiply':
        return channel * spatial, spatial, channel
    if rule == 'add':
        return channel + spatial, one, one
    if rule == 'max':
        share = ((x * channel - x * spatial).sign() + 1) / 2
        return share * channel + (1 - share) * spatial, share, 1 - share
    gate = (channel * spatial if rule == 'amplify_product' else channel + spatial).sigmoid()
    slope = gate * (1 - gate)
    if rule == 'amplify_product':
        return 1 + gate, slope * spatial, slope * channel
    return 1 + gate, slope, slope


def accurate(x: Tensor) -> Tensor:
    """Return ``x`` in float32 at least: half-precision values are summed and compared there."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def memory_format(x: Tensor) -> torch.memory_format:
    """Return the layout in which a result of the size of ``x`` is written."""
    last = not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
