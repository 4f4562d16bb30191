"""Recording of attention weights inside modules of other libraries."""

from typing import Any, Callable, Optional

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class SoftmaxRecorder(TorchFunctionMode):
    """Record the result of the last softmax: the attention weights of another library's module.

    Example:
        >>> with SoftmaxRecorder() as recorder:
        ...     y = torch.nn.Softmax(dim=0)(torch.zeros(2))
        >>> recorder.weights
        tensor([0.5000, 0.5000])
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights: Optional[Tensor] = None

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: Optional[dict] = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (F.softmax, torch.softmax, Tensor.softmax):
            self.weights = result.detach()
        return result
