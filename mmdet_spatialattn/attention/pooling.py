"""Adaptive average pooling as a matrix product, which exports for maps of any size."""

import torch
from torch import Tensor


def pooling_matrix(size: int, bins: int, like: Tensor) -> Tensor:
    """Return the matrix ``(bins, size)`` that averages ``size`` positions into ``bins`` bins.

    The bins are those of :class:`torch.nn.AdaptiveAvgPool1d`: bin ``i`` covers the positions from
    ``floor(i * size / bins)`` to ``ceil((i + 1) * size / bins)``. Type and device are those of
    ``like``.

    Example:
        >>> pooling_matrix(4, 2, torch.rand(1))
        tensor([[0.5000, 0.5000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.5000, 0.5000]])
    """
    position = torch.arange(size, device=like.device)
    start = torch.arange(bins, device=like.device)[:, None] * size
    inside = (position >= start // bins) & (position < (start + size + bins - 1) // bins)
    weights = inside.to(like.dtype)
    return weights / weights.sum(1, keepdim=True)


def adaptive_mean(x: Tensor, bins: tuple[int, int]) -> Tensor:
    """Return the means of ``x`` over a grid of ``bins = (h, w)``, a map ``(N, C, h, w)``.

    The result equals :func:`torch.nn.functional.adaptive_avg_pool2d`, which cannot be exported to
    ONNX for maps of any size.

    Example:
        >>> adaptive_mean(torch.rand(2, 8, 20, 13), (7, 5)).shape
        torch.Size([2, 8, 7, 5])
    """
    rows = pooling_matrix(x.shape[2], bins[0], x)
    columns = pooling_matrix(x.shape[3], bins[1], x)
    return rows @ (x @ columns.T)
