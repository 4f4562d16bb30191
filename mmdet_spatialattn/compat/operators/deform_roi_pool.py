"""Deformable RoI pooling: RoIAlign with every cell shifted by a learned offset.

``input`` is ``(N, C, H, W)``, ``rois`` ``(K, 5)`` with rows ``(batch index, x1, y1, x2, y2)``,
``offset`` ``(K, 2, PH, PW)`` with x before y, or empty, and ``output`` ``(K, C, PH, PW)``. A cell
is shifted by ``gamma * offset`` times the size of its region.
"""

from typing import Optional

import torch
from torch import Tensor

from ._buffers import widen, without_autocast
from ._sampling import Region, corners, regions


@without_autocast
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
    maps = widen(input).flatten(2)
    size = (pooled_height, pooled_width)
    output.fill_(0)
    for region in regions(rois.to(maps.dtype), size, spatial_scale, sampling_ratio, True):
        pixels, shares = _shares(region, _offset_of(region, offset), gamma, input.shape[2:])
        output[region.row] = (maps[region.image][:, pixels] @ shares).unflatten(1, size)


@without_autocast
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
    maps = widen(input).flatten(2)
    size = (pooled_height, pooled_width)
    gradient = torch.zeros_like(maps)
    for region in regions(rois.to(maps.dtype), size, spatial_scale, sampling_ratio, True):
        shift = _offset_of(region, offset)
        with torch.enable_grad():
            if shift is not None:
                shift.requires_grad_()
            pixels, shares = _shares(region, shift, gamma, input.shape[2:])
        cells = grad_output[region.row].to(maps.dtype).flatten(1)  # (C, PH PW)
        gradient[region.image].index_add_(1, pixels, cells @ shares.detach().T)
        if shift is not None:
            by_share = maps[region.image][:, pixels].T @ cells
            grad_offset[region.row] = torch.autograd.grad(shares, shift, by_share)[0]
    grad_input.add_(gradient.view(grad_input.shape))


def _offset_of(region: Region, offset: Tensor) -> Optional[Tensor]:
    """Return the offsets of a region, ``(2, PH, PW)``, detached."""
    return offset[region.row].detach().to(region.extent.dtype) if offset.numel() else None


def _shares(
    region: Region, offset: Optional[Tensor], gamma: float, size: torch.Size
) -> tuple[Tensor, Tensor]:
    """Return the pixels that a region uses, ``(P,)``, and their shares in its cells.

    The shares, ``(P, PH * PW)``, are differentiable in the offsets.
    """
    y, x = region.y, region.x
    if offset is not None:
        x_shift, y_shift = gamma * offset * region.extent[:, None, None]
        y, x = y + y_shift[..., None, None], x + x_shift[..., None, None]
    points, weights = corners(y, x, *size)  # (4, PH, PW, GH, GW)
    pixels, numbers = points.unique(return_inverse=True)
    cells, samples = y.shape[0] * x.shape[1], y.shape[2] * x.shape[3]
    cell = torch.arange(cells, device=y.device).view(weights.shape[1:3])[..., None, None]
    shares = weights.new_zeros(len(pixels), cells).index_put(
        (numbers, cell.expand_as(numbers)), weights / samples, accumulate=True
    )
    return pixels, shares
