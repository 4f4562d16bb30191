"""RoIPool: the maximum of each cell of a region.

``input`` is ``(N, C, H, W)``, ``rois`` ``(K, 5)`` with rows ``(batch index, x1, y1, x2, y2)``, and
``output`` ``(K, C, pooled_height, pooled_width)``.
"""

import torch
from torch import Tensor


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill ``output``, and ``argmax`` with the pixel ``y * W + x`` of each maximum.

    A region reaches from ``x1 * scale`` to ``(x2 + 1) * scale``, without rounding, and a cell holds
    every pixel that it touches. A cell without pixels is 0, and its pixel is -1.
    """
    height, width = input.shape[2:]
    output.fill_(0)
    argmax.fill_(-1)
    y, y_inside = _pixels(rois[:, 2], rois[:, 4], pooled_height, spatial_scale, height)
    x, x_inside = _pixels(rois[:, 1], rois[:, 3], pooled_width, spatial_scale, width)
    if not y.numel() or not x.numel():
        return
    pixels = y[:, :, None, :, None] * width + x[:, None, :, None, :]  # (K, PH, PW, GH, GW)
    inside = y_inside[:, :, None, :, None] & x_inside[:, None, :, None, :]
    pixels, inside = pixels.flatten(3), inside.flatten(3)
    for index, image in enumerate(rois[:, 0].long().tolist()):
        values = input[image].flatten(1)[:, pixels[index]]
        best, number = values.masked_fill(~inside[index], -torch.inf).max(-1)  # (C, PH, PW)
        has_pixels = inside[index].any(-1)
        pixel = pixels[index].expand_as(values).gather(-1, number[..., None])[..., 0]
        output[index] = torch.where(has_pixels, best, 0)
        argmax[index] = torch.where(has_pixels, pixel, -1)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add the gradient of each cell to ``grad_input`` at its maximum."""
    maps = grad_input.view(*grad_input.shape[:2], -1)
    image = rois[:, 0].long()[:, None, None]
    channel = torch.arange(maps.shape[1], device=rois.device)[:, None]
    pixel = argmax.long().flatten(2)
    gradient = grad_output.flatten(2) * (pixel >= 0)
    maps.index_put_((image, channel, pixel.clamp(min=0)), gradient, accumulate=True)


def _pixels(
    start: Tensor, end: Tensor, cells: int, spatial_scale: float, length: int
) -> tuple[Tensor, Tensor]:
    """Return the pixels of each cell along one axis, and which are inside, ``(K, cells, G)``."""
    first = start * spatial_scale
    extent = (end + 1) * spatial_scale - first
    size = extent[:, None] / cells
    number = torch.arange(cells, device=start.device)
    low = (number * size + first[:, None]).floor().clamp(0, length).long()
    high = ((number + 1) * size + first[:, None]).ceil().clamp(0, length).long()
    most = int((high - low).amax()) if low.numel() else 0
    pixels = low[..., None] + torch.arange(max(most, 0), device=start.device)
    inside = (pixels < high[..., None]) & (extent > 0)[:, None, None]
    return pixels.clamp(max=length - 1), inside
