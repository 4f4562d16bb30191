"""CARAFE: upsampling with a weighted sum of a window of the input for every output pixel.

``features`` is ``(N, C, H, W)``; ``masks`` ``(N, G * K * K, S * H, S * W)`` holds the weights of
each output pixel for its window, by group of channels; ``S`` is ``scale_factor``. mmcv's two
variants differ only in their kernels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ._buffers import without_autocast


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill ``output`` ``(N, C, S * H, S * W)``, and ``rfeatures`` with the features as NHWC."""
    carafe_naive_forward(features, masks, output, kernel_size, group_size, scale_factor)
    n, c, h, w = features.shape
    rfeatures.resize_(n, h, w, c).copy_(features.permute(0, 2, 3, 1))


def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill ``bottom_grad`` and ``mask_grad``; ``rfeatures`` holds the features as NHWC."""
    features = rfeatures.permute(0, 3, 1, 2)
    carafe_naive_backward(
        top_grad, features, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor
    )


@without_autocast
def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill ``output`` ``(N, C, S * H, S * W)``."""
    windows = _windows(features, kernel_size, group_size)
    weights = _split(masks, group_size, features.shape[2:], scale_factor)
    pixels = torch.einsum('ngckhw,ngkhywx->ngchywx', windows, weights.to(windows.dtype))
    output.copy_(pixels.reshape(output.shape))


@without_autocast
def carafe_naive_backward(
    top_grad: Tensor,
    features: Tensor,
    masks: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill ``bottom_grad`` ``(N, C, H, W)`` and ``mask_grad``."""
    size = features.shape[2:]
    windows = _windows(features, kernel_size, group_size)
    weights = _split(masks, group_size, size, scale_factor).to(windows.dtype)
    pixels = _split(top_grad, group_size, size, scale_factor).to(windows.dtype)
    by_mask = torch.einsum('ngckhw,ngchywx->ngkhywx', windows, pixels)
    by_window = torch.einsum('ngkhywx,ngchywx->ngckhw', weights, pixels)
    folded = by_window.reshape(len(features), -1, size[0] * size[1])
    mask_grad.copy_(by_mask.reshape(mask_grad.shape))
    bottom_grad.copy_(F.fold(folded, size, kernel_size, padding=kernel_size // 2))


def _windows(features: Tensor, kernel_size: int, group_size: int) -> Tensor:
    """Return the window of each pixel, ``(N, G, C / G, K * K, H, W)``."""
    n, c, h, w = features.shape
    columns = F.unfold(features, kernel_size, padding=kernel_size // 2)
    return columns.view(n, group_size, c // group_size, kernel_size**2, h, w)


def _split(pixels: Tensor, group_size: int, size: torch.Size, scale_factor: int) -> Tensor:
    """Return ``(N, G, channels / G, H, S, W, S)`` for a map of the output's size."""
    h, w = size
    return pixels.view(len(pixels), group_size, -1, h, scale_factor, w, scale_factor)
