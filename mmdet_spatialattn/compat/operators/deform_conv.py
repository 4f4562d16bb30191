"""Deformable convolution, and modulated deformable convolution.

``input`` is ``(N, C, H, W)``, ``weight`` ``(O, C / groups, KH, KW)``, ``offset``
``(N, 2 * G * KH * KW, OH, OW)`` with y before x, ``mask`` ``(N, G * KH * KW, OH, OW)``, and
``output`` ``(N, O, OH, OW)``, for ``G`` deformable groups. mmcv gives the remaining numbers by the
names in :func:`_geometry` and :func:`_modulated_geometry`.
"""

from typing import NamedTuple, Optional

import torch
from torch import Tensor

from ._buffers import fill, widen


class _Geometry(NamedTuple):
    """Numbers of a convolution, in the order of torchvision's arguments."""

    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    dilation_h: int
    dilation_w: int
    groups: int
    offset_groups: int


class _Gradients(NamedTuple):
    """Gradients, in the order of torchvision's results."""

    input: Tensor
    weight: Tensor
    offset: Tensor
    mask: Tensor
    bias: Tensor


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **sizes: int,
) -> None:
    """Fill ``output``."""
    fill(output, _forward(input, weight, offset, None, None, _geometry(**sizes)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **sizes: int,
) -> None:
    """Fill ``gradInput`` and ``gradOffset``."""
    gradients = _backward(gradOutput, input, weight, offset, None, _geometry(**sizes))
    fill(gradInput, gradients.input)
    fill(gradOffset, gradients.offset)
    # torchvision computes all gradients at once. mmcv requests that of the weight in a second call
    # with the same buffer for columns, which carries it there.
    vars(columns)['weight_gradient'] = (gradOutput, gradients.weight)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **sizes: int,
) -> None:
    """Add ``scale`` times the gradient of the weight to ``gradWeight``."""
    known_output, gradient = vars(columns).pop('weight_gradient', (None, None))
    if known_output is not gradOutput:
        # The gradient does not depend on the weight: any tensor of its shape can stand for it.
        gradient = _backward(gradOutput, input, gradWeight, offset, None, _geometry(**sizes)).weight
    gradWeight.add_(gradient, alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    *,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Fill ``output``.

    ``offset`` and ``mask`` may be larger than the output: those of each image are read as one row
    of numbers, of which the first are used. DyHead relies on it.
    """
    geometry = _modulated_geometry(**sizes)
    offset, mask = _read_flat(offset, mask, weight, geometry, output.shape[2:])
    used = bias if with_bias else None
    fill(output, _forward(input, weight, offset, mask, used, geometry))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    *,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Fill the gradients; those of weight and bias are added to the content of their buffers."""
    geometry = _modulated_geometry(**sizes)
    offset, mask = _read_flat(offset, mask, weight, geometry, grad_output.shape[2:])
    gradients = _backward(grad_output, input, weight, offset, mask, geometry)
    fill(grad_input, gradients.input)
    for buffer, gradient in ((grad_offset, gradients.offset), (grad_mask, gradients.mask)):
        if buffer.shape == gradient.shape:
            fill(buffer, gradient)
        else:
            buffer.flatten(1)[:, : gradient[0].numel()] = gradient.flatten(1)
    grad_weight.add_(gradients.weight)
    if with_bias:
        grad_bias.add_(gradients.bias)


def _geometry(
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,  # limits the memory of a compiled mmcv
) -> _Geometry:
    return _Geometry(dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)


def _modulated_geometry(
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
) -> _Geometry:
    return _Geometry(
        stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group
    )


def _forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Optional[Tensor],
    bias: Optional[Tensor],
    geometry: _Geometry,
) -> Tensor:
    arguments = _arguments(input, weight, offset, mask, bias, geometry)
    return torch.ops.torchvision.deform_conv2d(*arguments, *geometry, mask is not None)


def _backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Optional[Tensor],
    geometry: _Geometry,
) -> _Gradients:
    arguments = _arguments(input, weight, offset, mask, None, geometry)
    gradients = _Gradients(
        *torch.ops.torchvision._deform_conv2d_backward(
            widen(grad_output), *arguments, *geometry, mask is not None
        )
    )
    outside = _before_the_map(arguments[2], weight.shape[2:], geometry)
    by_axis = gradients.offset.view(*outside.shape[:4], 2, *outside.shape[4:])
    by_axis.masked_fill_(outside[:, :, :, :, None], 0)
    return gradients


def _arguments(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Optional[Tensor],
    bias: Optional[Tensor],
    geometry: _Geometry,
) -> tuple[Tensor, ...]:
    """Return the tensors that torchvision takes, with offsets that lead to places."""
    # With an offset of NaN, or on CUDA one too large for its integers, torchvision reads outside
    # of the memory of the map. Everything so far away samples 0.
    far = float(sum(input.shape[2:]) + geometry.pad_h + geometry.pad_w)
    offset = widen(offset).nan_to_num(nan=-far).clamp(-far, far)
    mask = input.new_zeros(len(input), 1) if mask is None else mask
    bias = input.new_zeros(len(weight)) if bias is None else bias
    return widen(input), widen(weight), offset, widen(mask), widen(bias)


def _read_flat(
    offset: Tensor, mask: Tensor, weight: Tensor, geometry: _Geometry, size: torch.Size
) -> tuple[Tensor, Tensor]:
    """Return offset and mask for an output of ``size``, reading each image as a row of numbers."""
    taps = geometry.offset_groups * weight.shape[2] * weight.shape[3]
    fitting = []
    for name, tensor, channels in (('offset', offset, 2 * taps), ('mask', mask, taps)):
        count = channels * size.numel()
        if tensor[0].numel() < count:
            raise ValueError(
                f'{name} of shape {tuple(tensor.shape)} is too small for an output of '
                f'{tuple(size)}: {channels} channels of that size are needed'
            )
        fitting.append(tensor.flatten(1)[:, :count].reshape(len(tensor), channels, *size))
    return fitting[0], fitting[1]


def _before_the_map(offset: Tensor, kernel: torch.Size, geometry: _Geometry) -> Tensor:
    """Return which samples lie one pixel or more above or left of the map, ``(N, G, K, K, H, W)``.

    Exactly one pixel outside, the interpolation has a kink: mmcv's gradient is 0, torchvision's is
    the slope towards the map. Initial offsets of 0 put samples of a padded convolution there.
    """
    steps = [torch.arange(n, device=offset.device) for n in (*kernel, *offset.shape[2:])]
    y = steps[0][:, None] * geometry.dilation_h + steps[2] * geometry.stride_h - geometry.pad_h
    x = steps[1][:, None] * geometry.dilation_w + steps[3] * geometry.stride_w - geometry.pad_w
    shift = offset.view(
        len(offset), geometry.offset_groups, *kernel, 2, *offset.shape[2:]
    )  # (N, G, KH, KW, 2, OH, OW)
    y_outside = shift[:, :, :, :, 0] + y[:, None, :, None] <= -1
    x_outside = shift[:, :, :, :, 1] + x[:, None] <= -1
    return y_outside | x_outside
