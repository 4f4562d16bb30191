"""The operations of :mod:`.reference` as Triton kernels for CUDA.

A map is taken as ``(N, C, P)`` with ``P = H * W``: the positions are contiguous in memory, or, in
channels-last, the channels. A program handles a block of positions of one sample and walks over
the channels (:func:`statistics_of_map`: the other way round), so that sums over the channels stay
in registers; sums over the positions are written per block and added at the end, in a fixed order.
All arithmetic is in float32.
"""

from typing import Optional

import torch
import triton
import triton.language as tl
from torch import Tensor

from .reference import memory_format

TILE = 4096
"""Elements that a program handles at once."""

PROGRAMS = 264
"""Programs that fill a GPU: two for each of the 132 multiprocessors of an H100."""


def statistics_of_map(x: Tensor, maximum: bool) -> tuple[Tensor, Tensor, Tensor]:
    x = _dense(x)
    n, c, p, strides = _geometry(x)
    block_p = min(triton.next_power_of_2(p), 64 if strides[0] == 1 else TILE)
    block_c = min(triton.next_power_of_2(c), TILE // block_p)
    blocks = triton.cdiv(c, block_c)
    splits = min(triton.cdiv(PROGRAMS, n * blocks), triton.cdiv(p, block_p), 64)
    chunk = triton.cdiv(triton.cdiv(p, splits), block_p) * block_p
    parts = x.new_empty(3 if maximum else 1, n, splits, c, dtype=torch.float32)
    part = parts.unbind() if maximum else (parts[0], None, None)
    _statistics_of_map[blocks, splits, n](
        x, *part, c, p, *strides, chunk, maximum, block_c, block_p
    )
    if splits > 1:
        whole = parts.new_empty(len(parts), n, 1, c)
        out = whole.unbind() if maximum else (whole[0], None, None)
        _join[triton.cdiv(c, 32), n](
            *part, *out, c, splits, maximum, 32, triton.next_power_of_2(splits)
        )
        parts = whole
    mean, *rest = (value.view(n, c, 1, 1) for value in parts)
    most, ties = rest if maximum else (mean.new_empty(0), mean.new_empty(0))
    return mean, most, ties


def statistics_of_map_backward(
    x: Tensor, most: Tensor, ties: Tensor, d_mean: Tensor, d_most: Tensor
) -> Tensor:
    x = _dense(x)
    grid, sizes, blocks = _by_position(x)
    d_x = torch.empty_like(x)
    small = (value.contiguous() for value in (most, ties, d_mean, d_most))
    _statistics_of_map_backward[grid](x, *small, d_x, *sizes, *blocks)
    return d_x


def statistics_of_channels(x: Tensor, gate: Optional[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    x = _dense(x)
    grid, sizes, blocks = _by_position(x)
    mean, most, ties = x.new_empty(
        3, len(x), 1, x.shape[2], x.shape[3], dtype=torch.float32
    ).unbind()
    _statistics_of_channels[grid](x, _packed(gate), mean, most, ties, *sizes, *blocks)
    return mean, most, ties


def statistics_of_channels_backward(
    x: Tensor,
    gate: Optional[Tensor],
    most: Tensor,
    ties: Tensor,
    d_mean: Tensor,
    d_most: Tensor,
) -> tuple[Tensor, Tensor]:
    x = _dense(x)
    grid, sizes, blocks = _by_position(x)
    d_x = torch.empty_like(x)
    parts = None if gate is None else _parts(x, grid)
    small = (value.contiguous() for value in (most, ties, d_mean, d_most))
    _statistics_of_channels_backward[grid](x, _packed(gate), *small, d_x, parts, *sizes, *blocks)
    return d_x, _total(parts, gate, x)


def scale(
    x: Tensor,
    channel: Optional[Tensor],
    spatial: Optional[Tensor],
    rule: str,
    alpha: Optional[Tensor],
) -> Tensor:
    x = _dense(x)
    grid, sizes, blocks = _by_position(x)
    y = torch.empty_like(x)
    _scale[grid](x, _packed(channel), _packed(spatial), alpha, y, *sizes, rule, *blocks)
    return y


def scale_backward(
    d_y: Tensor,
    x: Tensor,
    channel: Optional[Tensor],
    spatial: Optional[Tensor],
    rule: str,
    alpha: Optional[Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x = _dense(x)
    d_y = d_y.contiguous(memory_format=memory_format(x))
    grid, sizes, blocks = _by_position(x)
    d_x = torch.empty_like(x)
    of_channel = None if channel is None else _parts(x, grid)
    of_spatial = None if spatial is None else spatial.new_empty(spatial.shape)
    of_alpha = None if alpha is None else x.new_empty(1, len(x) * grid[0], 1, dtype=torch.float32)
    _scale_backward[grid](
        d_y, x, _packed(channel), _packed(spatial), alpha, d_x, of_channel, of_spatial, of_alpha,
        *sizes, rule, *blocks,
    )  # fmt: skip
    return (
        d_x,
        _total(of_channel, channel, x),
        x.new_empty(0) if of_spatial is None else of_spatial,
        _total(of_alpha, alpha, x),
    )


def _dense(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=memory_format(x))


def _packed(gate: Optional[Tensor]) -> Optional[Tensor]:
    return None if gate is None else gate.contiguous()


def _geometry(x: Tensor) -> tuple[int, int, int, tuple[int, int]]:
    """Return ``N``, ``C``, ``P`` and the strides of a channel and of a position."""
    n, c, h, w = x.shape
    channels_last = memory_format(x) == torch.channels_last
    return n, c, h * w, (1, c) if channels_last else (h * w, 1)


def _by_position(x: Tensor) -> tuple[tuple[int, int], tuple[int, ...], tuple[int, int]]:
    """Return the grid of blocks of positions, the sizes and strides, and the shape of a tile."""
    n, c, p, strides = _geometry(x)
    wide, narrow = (64, 16) if strides[0] == 1 else (256, 32)
    block_p = wide if n * p >= wide * PROGRAMS else narrow
    block_c = min(triton.next_power_of_2(c), TILE // block_p)
    return (triton.cdiv(p, block_p), n), (c, p, *strides), (block_c, block_p)


def _parts(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return room for a sum per sample, block of positions and channel."""
    return x.new_empty(len(x), grid[0], x.shape[1], dtype=torch.float32)


def _total(parts: Optional[Tensor], gate: Optional[Tensor], x: Tensor) -> Tensor:
    if parts is None or gate is None:
        return x.new_empty(0)
    return parts.sum(1).to(gate.dtype).view(gate.shape)


@triton.jit
def _statistics_of_map(
    x, mean, most, ties, C, P, stride_c, stride_p, chunk,
    MAXIMUM: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    split = tl.program_id(1)
    n = tl.program_id(2)
    x += n.to(tl.int64) * C * P
    end = tl.minimum((split + 1) * chunk, P)
    total = tl.zeros((BLOCK_C, BLOCK_P), tl.float32)
    top = tl.full((BLOCK_C, BLOCK_P), float('-inf'), tl.float32)
    count = tl.zeros((BLOCK_C, BLOCK_P), tl.float32)
    for start in range(split * chunk, end, BLOCK_P):
        p = start + tl.arange(0, BLOCK_P)
        inside = (c < C)[:, None] & (p < end)[None, :]
        at = c[:, None] * stride_c + p[None, :] * stride_p
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        total += value
        if MAXIMUM:
            value = tl.where(inside, value, float('-inf'))
            higher = tl.maximum(top, value)
            count = tl.where(top == higher, count, 0.0)
            count += tl.where(inside & (value == higher), 1.0, 0.0)
            top = higher
    out = (n * tl.num_programs(1) + split) * C + c
    tl.store(mean + out, tl.sum(total, 1) / P, mask=c < C)
    if MAXIMUM:
        highest = tl.max(top, 1)
        count = tl.sum(tl.where(top == highest[:, None], count, 0.0), 1)
        tl.store(most + out, highest, mask=c < C)
        tl.store(ties + out, count, mask=c < C)


@triton.jit
def _join(
    mean, most, ties, mean_out, most_out, ties_out, C, splits,
    MAXIMUM: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_S: tl.constexpr,
):  # fmt: skip
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    n = tl.program_id(1)
    s = tl.arange(0, BLOCK_S)
    inside = (s < splits)[:, None] & (c < C)[None, :]
    at = (n * splits + s)[:, None] * C + c[None, :]
    out = n * C + c
    total = tl.sum(tl.load(mean + at, mask=inside, other=0.0), 0)
    tl.store(mean_out + out, total, mask=c < C)
    if MAXIMUM:
        top = tl.load(most + at, mask=inside, other=float('-inf'))
        count = tl.load(ties + at, mask=inside, other=0.0)
        highest = tl.max(top, 0)
        count = tl.sum(tl.where(top == highest[None, :], count, 0.0), 0)
        tl.store(most_out + out, highest, mask=c < C)
        tl.store(ties_out + out, count, mask=c < C)


@triton.jit
def _statistics_of_map_backward(
    x, most, ties, d_mean, d_most, d_x, C, P, stride_c, stride_p,
    BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    n = tl.program_id(1)
    x += n.to(tl.int64) * C * P
    d_x += n.to(tl.int64) * C * P
    for start in range(0, C, BLOCK_C):
        c = start + tl.arange(0, BLOCK_C)
        inside = (c < C)[:, None] & (p < P)[None, :]
        at = c[:, None] * stride_c + p[None, :] * stride_p
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        top = tl.load(most + n * C + c, mask=c < C, other=0.0)
        share = tl.load(d_most + n * C + c, mask=c < C, other=0.0)
        share = share / tl.load(ties + n * C + c, mask=c < C, other=1.0)
        evenly = tl.load(d_mean + n * C + c, mask=c < C, other=0.0) / P
        gradient = evenly[:, None] + tl.where(value == top[:, None], share[:, None], 0.0)
        tl.store(d_x + at, gradient, mask=inside)


@triton.jit
def _load_channels(gate, n, c, C):
    """Return the gates of some channels as a column; 1 without any."""
    if gate is None:
        return 1.0
    else:
        return tl.load(gate + n * C + c, mask=c < C, other=0.0).to(tl.float32)[:, None]


@triton.jit
def _load_positions(gate, n, p, P):
    """Return the gates of some positions as a row; 1 without any."""
    if gate is None:
        return 1.0
    else:
        return tl.load(gate + n * P + p, mask=p < P, other=0.0).to(tl.float32)[None, :]


@triton.jit
def _statistics_of_channels(
    x, gate, mean, most, ties, C, P, stride_c, stride_p,
    BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    n = tl.program_id(1)
    x += n.to(tl.int64) * C * P
    total = tl.zeros((BLOCK_C, BLOCK_P), tl.float32)
    top = tl.full((BLOCK_C, BLOCK_P), float('-inf'), tl.float32)
    count = tl.zeros((BLOCK_C, BLOCK_P), tl.float32)
    for start in range(0, C, BLOCK_C):
        c = start + tl.arange(0, BLOCK_C)
        inside = (c < C)[:, None] & (p < P)[None, :]
        at = c[:, None] * stride_c + p[None, :] * stride_p
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        value *= _load_channels(gate, n, c, C)
        total += value
        value = tl.where(inside, value, float('-inf'))
        higher = tl.maximum(top, value)
        count = tl.where(top == higher, count, 0.0)
        count += tl.where(inside & (value == higher), 1.0, 0.0)
        top = higher
    highest = tl.max(top, 0)
    count = tl.sum(tl.where(top == highest[None, :], count, 0.0), 0)
    tl.store(mean + n * P + p, tl.sum(total, 0) / C, mask=p < P)
    tl.store(most + n * P + p, highest, mask=p < P)
    tl.store(ties + n * P + p, count, mask=p < P)


@triton.jit
def _statistics_of_channels_backward(
    x, gate, most, ties, d_mean, d_most, d_x, d_gate, C, P, stride_c, stride_p,
    BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0)
    p = block * BLOCK_P + tl.arange(0, BLOCK_P)
    n = tl.program_id(1)
    x += n.to(tl.int64) * C * P
    d_x += n.to(tl.int64) * C * P
    top = tl.load(most + n * P + p, mask=p < P, other=0.0)
    share = tl.load(d_most + n * P + p, mask=p < P, other=0.0)
    share = share / tl.load(ties + n * P + p, mask=p < P, other=1.0)
    evenly = tl.load(d_mean + n * P + p, mask=p < P, other=0.0) / C
    for start in range(0, C, BLOCK_C):
        c = start + tl.arange(0, BLOCK_C)
        inside = (c < C)[:, None] & (p < P)[None, :]
        at = c[:, None] * stride_c + p[None, :] * stride_p
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        factor = _load_channels(gate, n, c, C)
        is_top = value * factor == top[None, :]
        gradient = evenly[None, :] + tl.where(is_top, share[None, :], 0.0)
        tl.store(d_x + at, gradient * factor, mask=inside)
        if d_gate is not None:
            out = d_gate + (n * tl.num_programs(0) + block) * C + c
            tl.store(out, tl.sum(gradient * value, 1), mask=c < C)


@triton.jit
def _factor(x, channel, spatial, RULE: tl.constexpr):
    """Return the factor of ``x`` and its derivatives by the two gates."""
    if RULE == 'multiply':
        return channel * spatial, spatial, channel
    elif RULE == 'add':
        return channel + spatial, 1.0, 1.0
    elif RULE == 'max':
        first = x * channel
        second = x * spatial
        share = tl.where(first > second, 1.0, tl.where(first == second, 0.5, 0.0))
        return share * channel + (1.0 - share) * spatial, share, 1.0 - share
    elif RULE == 'amplify_product':
        gate = tl.sigmoid(channel * spatial)
        slope = gate * (1.0 - gate)
        return 1.0 + gate, slope * spatial, slope * channel
    else:
        tl.static_assert(RULE == 'amplify_sum')
        gate = tl.sigmoid(channel + spatial)
        slope = gate * (1.0 - gate)
        return 1.0 + gate, slope, slope


@triton.jit
def _scale(
    x, channel, spatial, alpha, y, C, P, stride_c, stride_p,
    RULE: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    n = tl.program_id(1)
    x += n.to(tl.int64) * C * P
    y += n.to(tl.int64) * C * P
    of_position = _load_positions(spatial, n, p, P)
    for start in range(0, C, BLOCK_C):
        c = start + tl.arange(0, BLOCK_C)
        inside = (c < C)[:, None] & (p < P)[None, :]
        at = c[:, None] * stride_c + p[None, :] * stride_p
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        of_channel = _load_channels(channel, n, c, C)
        factor, _, _ = _factor(value, of_channel, of_position, RULE)
        result = value * factor
        if alpha is not None:  # exactly x at 0 and exactly the result at 1, as torch.lerp
            weight = tl.load(alpha).to(tl.float32)
            change = result - value
            result = tl.where(
                weight < 0.5, value + weight * change, result - (1.0 - weight) * change
            )
        tl.store(y + at, result, mask=inside)


@triton.jit
def _scale_backward(
    d_y, x, channel, spatial, alpha, d_x, d_channel, d_spatial, d_alpha,
    C, P, stride_c, stride_p,
    RULE: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0)
    p = block * BLOCK_P + tl.arange(0, BLOCK_P)
    n = tl.program_id(1)
    x += n.to(tl.int64) * C * P
    d_x += n.to(tl.int64) * C * P
    d_y += n.to(tl.int64) * C * P
    of_position = _load_positions(spatial, n, p, P)
    sum_spatial = tl.zeros((BLOCK_C, BLOCK_P), tl.float32)
    sum_alpha = tl.zeros((BLOCK_C, BLOCK_P), tl.float32)
    for start in range(0, C, BLOCK_C):
        c = start + tl.arange(0, BLOCK_C)
        inside = (c < C)[:, None] & (p < P)[None, :]
        at = c[:, None] * stride_c + p[None, :] * stride_p
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        gradient = tl.load(d_y + at, mask=inside, other=0.0).to(tl.float32)
        of_channel = _load_channels(channel, n, c, C)
        factor, by_channel, by_spatial = _factor(value, of_channel, of_position, RULE)
        of_factor = gradient * value
        if alpha is not None:
            weight = tl.load(alpha).to(tl.float32)
            sum_alpha += of_factor * (factor - 1.0)
            of_factor *= weight
            factor = 1.0 + weight * (factor - 1.0)
        tl.store(d_x + at, gradient * factor, mask=inside)
        if d_channel is not None:
            out = d_channel + (n * tl.num_programs(0) + block) * C + c
            tl.store(out, tl.sum(of_factor * by_channel, 1), mask=c < C)
        if d_spatial is not None:
            sum_spatial += of_factor * by_spatial
    if d_spatial is not None:
        tl.store(d_spatial + n * P + p, tl.sum(sum_spatial, 0), mask=p < P)
    if alpha is not None:
        tl.store(d_alpha + n * tl.num_programs(0) + block, tl.sum(sum_alpha))
