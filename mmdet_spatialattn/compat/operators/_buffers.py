"""Filling the buffers that mmcv hands over."""

from torch import Tensor


def fill(buffer: Tensor, result: Tensor) -> None:
    """Make ``buffer`` hold ``result``, without a copy where ``buffer`` can take over its memory.

    A view shares its memory with a tensor that the caller reads, so it is written to.
    """
    if buffer._is_view() or buffer.dtype != result.dtype or buffer.shape != result.shape:
        buffer.copy_(result)
    else:
        buffer.data = result
