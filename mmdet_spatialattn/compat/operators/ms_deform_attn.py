"""Multi-scale deformable attention, as mmcv computes it on the CPU, with its gradient.

``value`` is ``(N, keys, heads, C)``, ``sampling_locations`` ``(N, queries, heads, levels, points,
2)`` with x before y in the unit square, ``attention_weights`` the same without the last dimension.
"""

import torch
from torch import Tensor


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Return ``(N, queries, heads * C)``; ``im2col_step`` has no effect."""
    return _attend(value, value_spatial_shapes.tolist(), sampling_locations, attention_weights)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Fill the three gradients."""
    inputs = [t.detach().requires_grad_() for t in (value, sampling_locations, attention_weights)]
    with torch.enable_grad():
        output = _attend(inputs[0], value_spatial_shapes.tolist(), *inputs[1:])
        gradients = torch.autograd.grad(output, inputs, grad_output)
    # One pixel outside a map, the interpolation has a kink; a compiled mmcv takes the flat side.
    size = value_spatial_shapes.flip(1)[:, None].to(sampling_locations)  # (levels, 1, 2)
    flat = (sampling_locations * size - 0.5 <= -1).any(-1, keepdim=True)
    grad_value.copy_(gradients[0])
    grad_sampling_loc.copy_(gradients[1].masked_fill(flat, 0))
    grad_attn_weight.copy_(gradients[2])


def _attend(value: Tensor, shapes: list, locations: Tensor, weights: Tensor) -> Tensor:
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
