"""LKA, LSKA and LSK: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import LKA, LSK, LSKA

from . import slow


def gelu(x):
    return np.vectorize(lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2)(x)


def block(module, gate):
    """Return the oracle of the block around a gate."""

    def oracle(x):
        u = gelu(slow.conv(x, module.proj_1))
        return x + slow.conv(u * gate(u), module.proj_2)

    return oracle


def test_lka_equals_the_loops():
    lka = LKA(3)

    def gate(u):
        return slow.conv(slow.conv(slow.conv(u, lka.conv0), lka.conv_spatial), lka.conv1)

    slow.assert_equals(lka, block(lka, gate))


@pytest.mark.parametrize('kernel_size', [7, 11, 23, 35, 41, 53])
def test_lska_equals_the_loops(kernel_size):
    lska = LSKA(2, kernel_size)

    def gate(u):
        for layer in (lska.conv0h, lska.conv0v, lska.conv_spatial_h, lska.conv_spatial_v):
            u = slow.conv(u, layer)
        return slow.conv(u, lska.conv1)

    slow.assert_equals(lska, block(lska, gate))


def test_lsk_equals_the_loops():
    lsk = LSK(4)

    def gate(u):
        near = slow.conv(u, lsk.conv0)
        far = slow.conv(slow.conv(near, lsk.conv_spatial), lsk.conv2)
        near = slow.conv(near, lsk.conv1)
        stats = np.zeros((2, *u.shape[1:]))
        for i, j in np.ndindex(*u.shape[1:]):
            both = [*near[:, i, j], *far[:, i, j]]
            stats[:, i, j] = sum(both) / len(both), max(both)
        choice = slow.sigmoid(slow.conv(stats, lsk.conv_squeeze))
        return slow.conv(near * choice[0] + far * choice[1], lsk.conv)

    slow.assert_equals(lsk, block(lsk, gate))


def constant_block(module):
    """Make ``u`` the value 1 everywhere, the output ``x + u * gate``, and zero all else."""
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    # GELU of this is 1: it is the root of v Phi(v) = 1.
    torch.nn.init.constant_(module.proj_1.bias, 1.1444507)
    torch.nn.init.ones_(module.proj_2.weight)
    return module


@pytest.mark.parametrize('cls', [LKA, LSKA])
def test_a_gate_of_constants_by_hand(cls):
    module = constant_block(cls(1))
    torch.nn.init.constant_(module.conv1.bias, 0.75)
    x = torch.randn(1, 1, 4, 5)
    torch.testing.assert_close(module(x), x + 0.75)


def test_the_choice_of_windows_by_hand():
    lsk = constant_block(LSK(2))
    torch.nn.init.constant_(lsk.conv1.bias, 5.0)  # near
    torch.nn.init.constant_(lsk.conv2.bias, 1.0)  # far
    lsk.conv_squeeze.weight.data[0, 0, 3, 3] = math.log(3) / 3  # of the mean 3, for near
    lsk.conv_squeeze.weight.data[1, 1, 3, 3] = -math.log(3) / 5  # of the maximum 5, for far
    torch.nn.init.ones_(lsk.conv.weight)
    x = torch.randn(1, 2, 4, 5)
    # Gate 5 * 3/4 + 1 * 1/4 = 4 in both channels; the last layer adds the two.
    torch.testing.assert_close(lsk(x), x + 8)


@pytest.mark.parametrize(
    'module, side',
    [(LKA(1), 23), *((LSKA(1, k), k) for k in (7, 11, 23, 35, 41, 53))],
    ids=lambda value: value if isinstance(value, int) else type(value).__name__,
)
def test_a_value_sees_a_window_of_the_stated_side(module, side):
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    u = torch.ones(1, 1, 61, 61, requires_grad=True)
    module.gate(u)[0, 0, 30, 30].backward()
    rows, columns = torch.nonzero(u.grad[0, 0], as_tuple=True)
    assert (rows.min(), rows.max()) == (columns.min(), columns.max())
    assert rows.min() == 30 - side // 2 and rows.max() == 30 + side // 2
    assert len(rows) == side**2  # without holes
