"""The two halves of a convolution that is computed at some positions only."""

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Fill ``col`` ``(C * kernel_h * kernel_w, M)`` with the windows of ``im`` ``(1, C, H, W)``.

    The ``M`` positions are rows and columns of the output of a convolution with stride 1.
    """
    padded = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    rows = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None, None]
    columns = mask_w_idx + torch.arange(kernel_w, device=im.device)[:, None]
    col.copy_(padded[:, rows, columns].reshape(col.shape))


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write ``col`` ``(C, M)`` to the ``M`` positions of ``im`` ``(1, C, height, width)``."""
    im[0][:, mask_h_idx, mask_w_idx] = col
