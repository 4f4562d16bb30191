"""Focal loss and its gradient, unreduced.

``target`` is ``(N,)`` class indices; in the sigmoid form ``C`` is the background, a row without a
true class. ``weight`` is empty or ``(C,)``, and multiplies the whole row of a target.
"""

import torch
from torch import Tensor

TINY = torch.finfo(torch.float32).tiny


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` ``(N, C)`` from the logits ``input`` ``(N, C)``."""
    p, positive = _probabilities(input), _is_target(input, target)
    right = -alpha * (1 - p).pow(gamma) * _log(p)
    wrong = (alpha - 1) * p.pow(gamma) * _log(1 - p)
    output.copy_(torch.where(positive, right, wrong) * _row_weights(weight, target, p)[:, None])


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` ``(N, C)`` with the derivative of each loss by its logit."""
    p, positive = _probabilities(input), _is_target(input, target)
    q = 1 - p
    right = -alpha * q.pow(gamma) * (q - gamma * p * _log(p))
    wrong = (alpha - 1) * p.pow(gamma) * (gamma * q * _log(q) - p)
    slope = torch.where(positive, right, wrong)
    grad_input.copy_(slope * _row_weights(weight, target, p)[:, None])


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` ``(N,)`` from the probabilities ``input`` ``(N, C)``."""
    p = _probability_of_target(input, target)
    loss = -alpha * (1 - p).pow(gamma) * _log(p) * _row_weights(weight, target, p)
    output.copy_(torch.where(_is_class(input, target), loss, 0))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill ``grad_input`` ``(N, C)`` with the derivative of each row's loss by the logits.

    ``buff`` ``(N,)`` gets the derivative by the logarithm of the target's probability.
    """
    p = _probability_of_target(input, target)
    q = 1 - p
    slope = alpha * (gamma * q.clamp(min=TINY).pow(gamma - 1) * p * _log(p) - q.pow(gamma))
    slope = slope * _row_weights(weight, target, p)
    buff.copy_(torch.where(_is_class(input, target), slope, 0))
    grad_input.copy_(buff[:, None] * (_is_target(input, target).to(p.dtype) - input))


def _probabilities(logits: Tensor) -> Tensor:
    return (logits if logits.dtype == torch.float64 else logits.float()).sigmoid()


def _log(p: Tensor) -> Tensor:
    return p.clamp(min=TINY).log()


def _is_target(input: Tensor, target: Tensor) -> Tensor:
    return target[:, None] == torch.arange(input.shape[1], device=input.device)


def _is_class(input: Tensor, target: Tensor) -> Tensor:
    return (target >= 0) & (target < input.shape[1])


def _probability_of_target(softmax: Tensor, target: Tensor) -> Tensor:
    wide = softmax if softmax.dtype == torch.float64 else softmax.float()
    return wide.gather(1, target.clamp(0, softmax.shape[1] - 1)[:, None])[:, 0]


def _row_weights(weight: Tensor, target: Tensor, like: Tensor) -> Tensor:
    """Return the weight of each target's class, ``(N,)``; 1 for a target that is not a class."""
    if not weight.numel():
        return like.new_ones(len(target))
    known = (target >= 0) & (target < len(weight))
    return torch.where(known, weight[target.clamp(0, len(weight) - 1)].to(like.dtype), 1)
