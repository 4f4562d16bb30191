"""Operators that pool a region of interest, a row ``(batch index, x1, y1, x2, y2)``."""

import torch
from torch import Tensor

from ._buffers import fill


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
    """Fill ``output`` ``(K, C, aligned_height, aligned_width)`` from ``input`` ``(N, C, H, W)``."""
    _require_mean(pool_mode)
    fill(
        output,
        torch.ops.torchvision.roi_align(
            input, rois, spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned
        ),
    )


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
    """Fill ``grad_input`` ``(N, C, H, W)``."""
    _require_mean(pool_mode)
    fill(
        grad_input,
        torch.ops.torchvision._roi_align_backward(
            grad_output,
            rois,
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        ),
    )


def _require_mean(pool_mode: int) -> None:
    if pool_mode != 1:
        raise NotImplementedError("roi_align with pool_mode='max' needs a compiled mmcv")
