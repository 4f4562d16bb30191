"""The local parts of a batch norm whose statistics are shared between processes.

mmcv's Python reduces the statistics over the processes between these calls. Maps are ``(N, C, S)``,
statistics ``(C,)``; ``weight`` and what belongs to it may be ``None``.
"""

from typing import Optional, Union

from torch import Tensor


def sync_bn_forward_mean(input: Tensor, mean: Tensor) -> None:
    """Fill ``mean``."""
    mean.copy_(input.to(mean.dtype).mean((0, 2)))


def sync_bn_forward_var(input: Tensor, mean: Tensor, var: Tensor) -> None:
    """Fill ``var`` with the biased variance around ``mean``."""
    var.copy_((input.to(var.dtype) - _along_channels(mean)).square().mean((0, 2)))


def sync_bn_forward_output(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Optional[Tensor],
    bias: Optional[Tensor],
    running_mean: Optional[Tensor],
    running_var: Optional[Tensor],
    norm: Tensor,
    std: Tensor,
    output: Tensor,
    eps: float,
    momentum: Union[float, Tensor],
    group_size: int,
) -> None:
    """Fill ``norm``, ``std`` and ``output``, and move the running statistics.

    The running variance takes the unbiased variance over ``group_size`` processes.
    """
    std.copy_((var + eps).sqrt())
    norm.copy_((input.to(norm.dtype) - _along_channels(mean)) / _along_channels(std))
    if weight is None or bias is None:
        output.copy_(norm)
    else:
        output.copy_(norm * _along_channels(weight) + _along_channels(bias))
    if running_mean is not None and running_var is not None:
        count = input.shape[0] * input.shape[2] * group_size
        unbiased = var * (count / (count - 1)) if count > 1 else var
        for running, current in ((running_mean, mean), (running_var, unbiased)):
            running.copy_(momentum * current + (1 - momentum) * running)


def sync_bn_backward_param(
    grad_output: Tensor, norm: Tensor, grad_weight: Tensor, grad_bias: Tensor
) -> None:
    """Fill ``grad_weight`` and ``grad_bias``."""
    gradient = grad_output.to(norm.dtype)
    grad_weight.copy_((gradient * norm).sum((0, 2)))
    grad_bias.copy_(gradient.sum((0, 2)))


def sync_bn_backward_data(
    grad_output: Tensor,
    weight: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    norm: Tensor,
    std: Tensor,
    grad_input: Tensor,
) -> None:
    """Fill ``grad_input`` from the gradients of weight and bias, reduced over the processes."""
    count = grad_output.shape[0] * grad_output.shape[2]
    common = (_along_channels(grad_weight) * norm + _along_channels(grad_bias)) / count
    slope = _along_channels(weight / std)
    grad_input.copy_(slope * (grad_output.to(norm.dtype) - common))


def _along_channels(statistic: Tensor) -> Tensor:
    return statistic[:, None]
