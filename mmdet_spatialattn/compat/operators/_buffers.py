"""Filling the buffers that mmcv hands over, and the number types to compute in."""

import functools
from typing import Callable

import torch
from torch import Tensor


def fill(buffer: Tensor, result: Tensor) -> None:
    """Make ``buffer`` hold ``result``, without a copy where ``buffer`` can take over its memory.

    A view shares its memory with a tensor that the caller reads, so it is written to.
    """
    if buffer._is_view() or buffer.dtype != result.dtype or buffer.shape != result.shape:
        buffer.copy_(result)
    else:
        buffer.data = result


def widen(tensor: Tensor) -> Tensor:
    """Return the tensor in a type that torchvision's kernels compute in.

    They know no bfloat16, and not all of those for the CPU know float16.
    """
    if tensor.dtype == torch.bfloat16 or (tensor.dtype == torch.float16 and tensor.is_cpu):
        return tensor.float()
    return tensor


def without_autocast(operator: Callable[..., None]) -> Callable[..., None]:
    """Let an operator compute in the type of its tensors, as a compiled one does."""

    @functools.wraps(operator)
    def wrapped(*tensors, **settings) -> None:
        with torch.autocast(tensors[0].device.type, enabled=False):
            operator(*tensors, **settings)

    return wrapped
