"""RoIAlign: the mean, or the maximum, of bilinear samples in each cell of a region.

``input`` is ``(N, C, H, W)``, ``rois`` ``(K, 5)`` with rows ``(batch index, x1, y1, x2, y2)``, and
``output`` ``(K, C, aligned_height, aligned_width)``.
"""

import torch
from torch import Tensor

from ._buffers import fill, widen
from ._sampling import corners, regions

MAX = 0


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` with the mean (``pool_mode`` 1) or the maximum (0) of each cell's samples.

    For the maximum, ``argmax_y`` and ``argmax_x`` get the coordinates of the sample in the map, -1
    in a region without samples.
    """
    wide = widen(input)
    rois = rois.to(wide.dtype)
    if pool_mode != MAX:
        pooled = torch.ops.torchvision.roi_align(
            wide, rois, spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned
        )
        fill(output, pooled)
        return
    for buffer, empty in ((output, 0), (argmax_y, -1), (argmax_x, -1)):
        buffer.fill_(empty)
    size = (aligned_height, aligned_width)
    for region in regions(rois, size, spatial_scale, sampling_ratio, aligned):
        pixels, weights = corners(region.y, region.x, *wide.shape[2:])
        values = wide[region.image].flatten(1)[:, pixels].mul(weights).sum(1).flatten(-2)
        output[region.row], best = values.max(-1)
        for buffer, samples in ((argmax_y, region.y), (argmax_x, region.x)):
            samples = samples.expand(weights.shape[1:]).flatten(-2).expand_as(values)
            buffer[region.row] = samples.gather(-1, best[..., None])[..., 0]


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input``."""
    wide = widen(grad_output)
    if pool_mode != MAX:
        gradient = torch.ops.torchvision._roi_align_backward(
            wide,
            rois.to(wide.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
        fill(grad_input, gradient)
        return
    gradient = torch.zeros_like(grad_input, dtype=wide.dtype).flatten(2)
    for index, image in enumerate(rois[:, 0].long().tolist()):
        y, x = argmax_y[index].to(wide.dtype), argmax_x[index].to(wide.dtype)
        pixels, weights = corners(y, x, *grad_input.shape[2:])
        shares = weights * (y != -1) * wide[index]  # (4, C, PH, PW)
        gradient[image].scatter_add_(
            1, pixels.transpose(0, 1).flatten(1), shares.transpose(0, 1).flatten(1)
        )
    fill(grad_input, gradient.view(grad_input.shape))
