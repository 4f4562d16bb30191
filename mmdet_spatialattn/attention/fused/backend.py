"""Which back end runs the fused operations, and why.

The kernels equal the reference in Triton's interpreter, and have not run on a GPU yet: they run
only where they are asked for.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from importlib.util import find_spec

import torch
from torch import Tensor

SWITCH = 'MMDET_SPATIALATTN_FUSED'
"""Environment variable; the value 1 switches the kernels on."""

TYPES = (torch.float32, torch.bfloat16, torch.float16)

_is_exporting = getattr(torch.compiler, 'is_exporting', lambda: False)


def _obstacle() -> str:
    """Return why this process cannot use the kernels; empty if it can."""
    if not hasattr(torch.library, 'custom_op'):
        return f'torch {torch.__version__} is older than 2.4'
    if not torch.cuda.is_available():
        return 'there is no CUDA device'
    if find_spec('triton') is None:
        return 'triton is not installed'
    if os.environ.get(SWITCH) != '1':
        return f'Triton kernels run with {SWITCH}=1'
    return ''


class _State:
    obstacle = _obstacle()


def fuses(x: Tensor) -> bool:
    """Return whether operations on ``x`` run in fused kernels.

    A graph that is exported keeps PyTorch's own operators, which run everywhere.
    """
    return runs_kernels(x) and not _is_exporting()


def runs_kernels(x: Tensor) -> bool:
    """Return whether an operator called with ``x`` runs a kernel, rather than the reference."""
    return not _State.obstacle and x.is_cuda and x.dtype in TYPES


def describe() -> str:
    """Return the back end of maps on this machine's best device, with the reason."""
    return f'PyTorch ({_State.obstacle})' if _State.obstacle else 'Triton on CUDA, PyTorch on CPU'


@contextlib.contextmanager
def fusion(enabled: bool) -> Iterator[None]:
    """Switch the kernels off, or on again where they can run and are asked for, within a block."""
    before = _State.obstacle
    _State.obstacle = _obstacle() if enabled else 'switched off'
    try:
        yield
    finally:
        _State.obstacle = before


def give_up(error: Exception) -> None:
    """Use PyTorch's own operators from now on, and say so once."""
    reason = str(error).strip().partition('\n')[0] or type(error).__name__
    if not _State.obstacle:
        warnings.warn(
            f'the Triton kernels of mmdet_spatialattn failed ({reason}); PyTorch gives the same '
            f'results more slowly. Without {SWITCH}=1 they are not tried.',
            stacklevel=2,
        )
    _State.obstacle = f'Triton failed: {reason}'
