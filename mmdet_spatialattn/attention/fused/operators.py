"""The operations as PyTorch operators: with fake tensors, gradients, and a back end per device.

The backward pass keeps the map and the small gates, and nothing else of the map's size. There is no
second derivative; asking for one raises an error.
"""

from typing import Any

import torch
from torch import Tensor

from . import reference
from .backend import give_up, runs_kernels

_STATISTICS = '(Tensor mean, Tensor most, Tensor ties)'
_GRADIENTS = 'Tensor most, Tensor ties, Tensor d_mean, Tensor d_most'
_GATES = 'Tensor? channel, Tensor? spatial, str rule, Tensor? alpha'


def _operator(name: str, schema: str) -> Any:
    """Return the operator of a name, run by Triton on CUDA and by the reference elsewhere."""
    plain = getattr(reference, name)

    def run(first: Tensor, *rest: Any) -> Any:
        if runs_kernels(first):
            try:
                from . import triton_kernels

                with torch.cuda.device_of(first):
                    return getattr(triton_kernels, name)(first, *rest)
            except torch.cuda.OutOfMemoryError:
                raise
            except Exception as error:  # a compiler raises anything
                give_up(error)
        return plain(first, *rest)

    return torch.library.custom_op(
        f'mmdet_spatialattn::{name}', run, mutates_args=(), schema=schema
    )


statistics_of_map = _operator('statistics_of_map', f'(Tensor x, bool maximum) -> {_STATISTICS}')
statistics_of_map_backward = _operator(
    'statistics_of_map_backward', f'(Tensor x, {_GRADIENTS}) -> Tensor'
)
statistics_of_channels = _operator(
    'statistics_of_channels', f'(Tensor x, Tensor? gate) -> {_STATISTICS}'
)
statistics_of_channels_backward = _operator(
    'statistics_of_channels_backward',
    f'(Tensor x, Tensor? gate, {_GRADIENTS}) -> (Tensor d_x, Tensor d_gate)',
)
scale = _operator('scale', f'(Tensor x, {_GATES}) -> Tensor')
scale_backward = _operator(
    'scale_backward',
    f'(Tensor d_y, Tensor x, {_GATES}) -> '
    '(Tensor d_x, Tensor d_channel, Tensor d_spatial, Tensor d_alpha)',
)


# PyTorch calls what follows with the arguments that the schemas type.


@statistics_of_map.register_fake
def _(x, maximum):  # type: ignore[no-untyped-def]
    mean = reference.accurate(x.new_empty(x.shape[0], x.shape[1], 1, 1))
    rest = torch.empty_like(mean) if maximum else mean.new_empty(0)
    return mean, rest, torch.empty_like(rest)


@statistics_of_map_backward.register_fake
def _(x, *rest):  # type: ignore[no-untyped-def]
    return _map_like(x)


@statistics_of_channels.register_fake
def _(x, gate):  # type: ignore[no-untyped-def]
    mean = reference.accurate(x.new_empty(x.shape[0], 1, x.shape[2], x.shape[3]))
    return mean, torch.empty_like(mean), torch.empty_like(mean)


@statistics_of_channels_backward.register_fake
def _(x, gate, *rest):  # type: ignore[no-untyped-def]
    return _map_like(x), _gate_like(gate, x)


@scale.register_fake
def _(x, *rest):  # type: ignore[no-untyped-def]
    return _map_like(x)


@scale_backward.register_fake
def _(d_y, x, channel, spatial, rule, alpha):  # type: ignore[no-untyped-def]
    gates = (_gate_like(gate, x) for gate in (channel, spatial, alpha))
    return (_map_like(x), *gates)


def _map_like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=reference.memory_format(x))


def _gate_like(gate, x):  # type: ignore[no-untyped-def]
    return x.new_empty(0) if gate is None else gate.new_empty(gate.shape)


def _keep_map(ctx, inputs, output):  # type: ignore[no-untyped-def]
    x, ctx.maximum = inputs
    _, most, ties = output
    ctx.shape = x.shape
    ctx.dtype = x.dtype
    ctx.save_for_backward(*((x, most, ties) if ctx.maximum else ()))


def _map_gradient(ctx, d_mean, d_most, _):  # type: ignore[no-untyped-def]
    if ctx.maximum:
        return statistics_of_map_backward(*ctx.saved_tensors, d_mean, d_most), None
    # Of the mean alone the gradient is one value per channel: no map is written.
    area = ctx.shape[2] * ctx.shape[3]
    return (d_mean / area).to(ctx.dtype).expand(ctx.shape), None


def _keep_channels(ctx, inputs, output):  # type: ignore[no-untyped-def]
    x, gate = inputs
    ctx.save_for_backward(x, gate, *output[1:])


def _channels_gradient(ctx, d_mean, d_most, _):  # type: ignore[no-untyped-def]
    x, gate, most, ties = ctx.saved_tensors
    d_x, d_gate = statistics_of_channels_backward(x, gate, most, ties, d_mean, d_most)
    return d_x, None if gate is None else d_gate


def _keep_gates(ctx, inputs, output):  # type: ignore[no-untyped-def]
    x, channel, spatial, ctx.rule, alpha = inputs
    ctx.save_for_backward(x, channel, spatial, alpha)


def _scale_gradient(ctx, d_y):  # type: ignore[no-untyped-def]
    x, channel, spatial, alpha = ctx.saved_tensors
    d_x, *d_gates = scale_backward(d_y, x, channel, spatial, ctx.rule, alpha)
    d_channel, d_spatial, d_alpha = (
        None if gate is None else d_gate for gate, d_gate in zip((channel, spatial, alpha), d_gates)
    )
    return d_x, d_channel, d_spatial, None, d_alpha


statistics_of_map.register_autograd(_map_gradient, setup_context=_keep_map)
statistics_of_channels.register_autograd(_channels_gradient, setup_context=_keep_channels)
scale.register_autograd(_scale_gradient, setup_context=_keep_gates)
