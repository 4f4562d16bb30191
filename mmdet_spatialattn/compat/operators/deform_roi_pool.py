"""Deformable RoI pooling: RoIAlign with every cell shifted by a learned offset.

``input`` is ``(N, C, H, W)``, ``rois`` ``(K, 5)`` with rows ``(batch index, x1, y1, x2, y2)``,
``offset`` ``(K, 2, PH, PW)`` with x before y, or empty, and ``output`` ``(K, C, PH, PW)``. A cell
is shifted by ``gamma * offset`` times the size of its region.
"""

import torch
from torch import Tensor

from ._buffers import widen
from ._sampling import Region, corners, regions


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Fill ``output``."""
    wide = widen(input)
    size = (pooled_height, pooled_width)
    output.fill_(0)
    for region in regions(rois.to(wide.dtype), size, spatial_scale, sampling_ratio, True):
        shift = gamma * _offset_of(region, offset)
        pixels, weights = _shifted_corners(region, shift, *input.shape[2:])
        values = wide[region.image].flatten(1)[:, pixels]  # (C, 4, PH, PW, GH, GW)
        output[region.row] = (values * weights).sum(1).mean((-1, -2))


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Add to ``grad_input``; fill ``grad_offset`` where there are offsets."""
    wide = widen(input)
    size = (pooled_height, pooled_width)
    gradient = torch.zeros_like(wide).flatten(2)
    for region in regions(rois.to(wide.dtype), size, spatial_scale, sampling_ratio, True):
        with torch.enable_grad():
            own = _offset_of(region, offset).requires_grad_()
            pixels, weights = _shifted_corners(region, gamma * own, *input.shape[2:])
        cell = grad_output[region.row].to(wide.dtype) / (weights.shape[-1] * weights.shape[-2])
        cell = cell[:, None, :, :, None, None]  # (C, 1, PH, PW, 1, 1)
        shares = weights.detach() * cell
        gradient[region.image].index_add_(1, pixels.flatten(), shares.flatten(1))
        if offset.numel():
            values = wide[region.image].flatten(1)[:, pixels]
            wanted = (values * cell).sum(0)
            grad_offset[region.row] = torch.autograd.grad(weights, own, wanted)[0]
    grad_input.add_(gradient.view(grad_input.shape))


def _offset_of(region: Region, offset: Tensor) -> Tensor:
    if not offset.numel():
        return region.extent.new_zeros(2, 1, 1)
    return offset[region.row].detach().to(region.extent.dtype)


def _shifted_corners(
    region: Region, shift: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    x_shift, y_shift = (shift * region.extent[:, None, None])[..., None, None]
    return corners(region.y + y_shift, region.x + x_shift, height, width)
