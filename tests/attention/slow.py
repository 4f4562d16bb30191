"""Layers as plain loops over numpy arrays ``(C, H, W)``: what the oracles of the tests are made of.

Nothing here calls torch's layers; a layer is passed only for its weights.
"""

import math

import numpy as np
import torch
from torch import nn

from mmdet_spatialattn.attention import SpatialAttention

from .samples import perturb


def assert_equals(module: SpatialAttention, oracle, height: int = 5, width: int = 6) -> None:
    """Check that a module gives what ``oracle(x)`` gives for each of two random samples.

    The module has random weights and statistics, double precision, and is in eval mode.
    """
    x = torch.randn(2, module.in_channels, height, width, dtype=torch.double)
    perturb(module).double().eval()
    y = module(x)
    for sample, actual in zip(x, y):
        expected = torch.from_numpy(np.asarray(oracle(sample.numpy()), dtype=float))
        torch.testing.assert_close(actual.detach(), expected, rtol=1e-9, atol=1e-9)


def array(tensor: torch.Tensor) -> np.ndarray:
    """Return the values of a parameter or buffer."""
    return tensor.detach().numpy()


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    """Return the softmax of a vector."""
    e = [math.exp(v - max(z)) for v in z]
    return np.array([v / sum(e) for v in e])


def linear(z: np.ndarray, layer: nn.Module) -> np.ndarray:
    """Apply the weights of a linear layer, or of a 1x1 convolution, to a vector."""
    weight = array(layer.weight).reshape(layer.weight.shape[0], -1)
    bias = np.zeros(len(weight)) if layer.bias is None else array(layer.bias)
    return np.array([sum(w * v for w, v in zip(row, z)) + b for row, b in zip(weight, bias)])


def conv(x: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    """Convolve a map, one output value at a time."""
    weight = array(layer.weight)
    outputs, width, kh, kw = weight.shape
    (ph, pw), (dh, dw), (sh, sw) = layer.padding, layer.dilation, layer.stride
    h = (x.shape[1] + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    w = (x.shape[2] + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((outputs, h, w))
    for o in range(outputs):
        first = o // (outputs // layer.groups) * width
        for i in range(h):
            for j in range(w):
                total = 0.0 if layer.bias is None else array(layer.bias)[o]
                for di in range(kh):
                    for dj in range(kw):
                        row, column = i * sh + di * dh - ph, j * sw + dj * dw - pw
                        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                            values = x[first : first + width, row, column]
                            total += float(values @ weight[o, :, di, dj])
                y[o, i, j] = total
    return y


def batch_norm(x: np.ndarray, layer: nn.BatchNorm2d) -> np.ndarray:
    """Normalise a map by running statistics."""
    y = np.zeros_like(x)
    for c in range(len(x)):
        mean, variance = array(layer.running_mean)[c], array(layer.running_var)[c]
        scaled = (x[c] - mean) / math.sqrt(variance + layer.eps)
        y[c] = scaled * array(layer.weight)[c] + array(layer.bias)[c]
    return y


def group_norm(x: np.ndarray, layer: nn.GroupNorm) -> np.ndarray:
    """Normalise each group of channels by its own mean and variance; any number of axes."""
    y = np.zeros_like(x)
    width = len(x) // layer.num_groups
    for c in range(len(x)):
        first = c // width * width
        group = x[first : first + width]
        mean = group.sum() / group.size
        variance = ((group - mean) ** 2).sum() / group.size
        scaled = (x[c] - mean) / math.sqrt(variance + layer.eps)
        y[c] = scaled * array(layer.weight)[c] + array(layer.bias)[c]
    return y


def relu(z: np.ndarray) -> np.ndarray:
    return np.where(z > 0, z, 0.0)
