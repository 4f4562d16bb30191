"""Bilinear samples of a feature map, as RoIAlign takes them."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Region(NamedTuple):
    """The samples of one region of interest.

    Attributes:
        row: Its row in the list of regions.
        image: Its batch index.
        y: Rows of the samples in the map, ``(PH, 1, GH, 1)``.
        x: Columns of the samples in the map, ``(1, PW, 1, GW)``.
        extent: Width and height in the map, ``(2,)``.
    """

    row: int
    image: int
    y: Tensor
    x: Tensor
    extent: Tensor


def regions(
    rois: Tensor, size: tuple[int, int], spatial_scale: float, sampling_ratio: int, aligned: bool
) -> Iterator[Region]:
    """Yield the regions of interest ``(K, 5)`` that have samples.

    Each of ``size`` cells has ``sampling_ratio`` samples per side, or with 0 or less one per pixel
    of its length, rounded up, which is none in a region without area.
    """
    shift = 0.5 if aligned else 0.0
    start = rois[:, 1:3] * spatial_scale - shift
    extent = rois[:, 3:5] * spatial_scale - shift - start
    if not aligned:
        extent = extent.clamp(min=1)
    cell = extent / extent.new_tensor([size[1], size[0]])
    counts = cell.ceil().long().tolist()
    for index, image in enumerate(rois[:, 0].long().tolist()):
        along = []
        for axis, cells in ((1, size[0]), (0, size[1])):
            count = sampling_ratio if sampling_ratio > 0 else max(counts[index][axis], 0)
            centre = torch.arange(cells, device=rois.device)[:, None] + (
                torch.arange(count, device=rois.device).to(rois.dtype) + 0.5
            ) / max(count, 1)
            along.append(start[index, axis] + centre * cell[index, axis])
        y, x = along
        if y.numel() and x.numel():
            yield Region(index, image, y[:, None, :, None], x[None, :, None, :], extent[index])


def corners(y: Tensor, x: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the four pixels around each point and their weights, both ``(4, ...)``.

    A pixel is ``y * width + x``. Up to one pixel outside the map a point takes the value of the
    border; beyond that all its weights are 0. The weights are differentiable in ``y`` and ``x``.
    """
    y, x = torch.broadcast_tensors(y, x)
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    pixels, weights = [], []
    for coordinate, length in ((y, height), (x, width)):
        coordinate = coordinate.clamp(0, length - 1)
        low = coordinate.detach().floor().nan_to_num()
        share = coordinate - low
        pixels.append((low.long(), (low.long() + 1).clamp(max=length - 1)))
        weights.append((1 - share, share))
    return (
        torch.stack([row * width + column for row in pixels[0] for column in pixels[1]]),
        torch.stack([u * v for u in weights[0] for v in weights[1]]) * inside,
    )
