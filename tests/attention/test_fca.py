"""FCA: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdet_spatialattn.attention import FCA

from . import slow
from .samples import perturb

# (u, v) of each sixteenth of the channels: rows, then columns, as released under "top16".
FREQUENCIES = [
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
]  # fmt: skip


def basis(u, i, size):
    frequency = u * (size // 7)
    value = math.cos(math.pi * frequency * (i + 0.5) / size) / math.sqrt(size)
    return value * math.sqrt(2) if frequency else value


def pooled(channel, size):
    height, width = channel.shape
    y = np.zeros((size, size))
    for i, j in np.ndindex(size, size):
        rows = range(i * height // size, -(-(i + 1) * height // size))
        columns = range(j * width // size, -(-(j + 1) * width // size))
        values = [channel[a, b] for a in rows for b in columns]
        y[i, j] = sum(values) / len(values)
    return y


@pytest.mark.parametrize('size, map_size', [(7, (7, 7)), (7, (5, 9)), (14, (16, 15))])
def test_it_equals_the_loops(size, map_size):
    fca = FCA(32, reduction=4, size=size)

    def oracle(x):
        squeezed = np.zeros(32)
        for c in range(32):
            u, v = FREQUENCIES[c // 2]
            part = pooled(x[c], size)
            for i, j in np.ndindex(size, size):
                squeezed[c] += part[i, j] * basis(u, i, size) * basis(v, j, size)
        hidden = slow.relu(slow.linear(squeezed, fca.fc[0]))
        gate = slow.sigmoid(slow.linear(hidden, fca.fc[2]))
        return x * gate[:, None, None]

    fca.double()  # before the comparison: the cosines too
    fca.rows, fca.columns = (exact(fca, k) for k in (0, 1))
    slow.assert_equals(fca, oracle, *map_size)


def exact(fca, axis):
    """Return the cosines in double precision; the module's buffers were made in single."""
    values = [[basis(f[axis], i, fca.size) for i in range(fca.size)] for f in FREQUENCIES]
    values = torch.tensor(values, dtype=torch.double)
    torch.testing.assert_close((fca.rows, fca.columns)[axis], values, rtol=0, atol=1e-6)
    return values


def test_a_constant_map_by_hand():
    fca = FCA(16, reduction=16, size=7)
    torch.nn.init.ones_(fca.fc[0].weight)
    torch.nn.init.ones_(fca.fc[2].weight)
    # Only the first channel, of frequency (0, 0), sees a constant: 49 values of 1 / 7 times 1 / 7.
    x = torch.full((1, 16, 20, 9), math.log(3) / 7)
    torch.testing.assert_close(fca(x), x * 0.75)


def test_the_cosines_are_orthonormal():
    fca = FCA(256, size=56)
    torch.testing.assert_close(fca.rows.square().sum(1), torch.ones(16))
    assert abs(fca.rows[0] @ fca.rows[2]) < 1e-6


def test_the_size_is_that_of_resnet50():
    assert [FCA(c).size for c in (64, 256, 512, 1024, 2048, 4096)] == [56, 56, 28, 14, 7, 7]


def test_the_separated_transform_equals_the_product_with_one_map():
    fca = perturb(FCA(64)).eval()
    x = torch.randn(2, 64, 30, 44)
    weight = (fca.rows[:, :, None] * fca.columns[:, None, :]).repeat_interleave(4, 0)
    squeezed = (F.adaptive_avg_pool2d(x, 56) * weight).sum((2, 3))
    expected = x * fca.fc(squeezed).sigmoid()[..., None, None]
    torch.testing.assert_close(fca(x), expected, rtol=1e-5, atol=1e-5)


def test_only_the_two_layers_are_weights():
    assert list(FCA(64).state_dict()) == ['fc.0.weight', 'fc.2.weight']
