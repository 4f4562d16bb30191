"""The buffers that mmcv passes to an operator, and the data types to compute in."""

import functools
from typing import Callable

import torch
from torch import Tensor


def fill(buffer: Tensor, result: Tensor) -> None:
    """Write ``result`` into ``buffer``, without a copy where the buffer can take its memory.

    A view is copied into, because it shares its memory with a tensor that the caller reads.
    """
    if buffer._is_view() or buffer.dtype != result.dtype or buffer.shape != result.shape:
        buffer.copy_(result)
    else:
        buffer.data = result


def widen(tensor: Tensor) -> Tensor:
    """Return the tensor in a data type that torchvision's kernels support.

    They do not support bfloat16, and on the CPU not all of them support float16.
    """
    if tensor.dtype == torch.bfloat16 or (tensor.dtype == torch.float16 and tensor.is_cpu):
        return tensor.float()
    return tensor


def without_autocast(operator: Callable[..., None]) -> Callable[..., None]:
    """Compute an operator in the data type of its tensors, as a compiled operator does."""

    @functools.wraps(operator)
    def wrapped(*tensors, **settings) -> None:
        with torch.autocast(tensors[0].device.type, enabled=False):
            operator(*tensors, **settings)

    return wrapped
