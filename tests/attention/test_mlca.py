"""MLCA: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import MLCA
from mmdet_spatialattn.errors import UserError

from . import slow


def bins(size, count):
    """Return the positions that each bin of an adaptive pooling covers."""
    ends = [(math.floor(i * size / count), math.ceil((i + 1) * size / count)) for i in range(count)]
    return [range(*end) for end in ends]


@pytest.mark.parametrize('height, width', [(5, 6), (2, 9), (1, 1)])
def test_it_equals_the_loops(height, width):
    mlca = MLCA(4, local_size=3, local_weight=0.3)

    def window(values, layer):
        k = slow.array(layer.weight)[0, 0]
        padded = [0.0, *values, 0.0]
        return [sum(k[d] * padded[i + d] for d in range(3)) for i in range(len(values))]

    def oracle(x):
        channels, h, w = x.shape
        cells = [(rows, columns) for rows in bins(h, 3) for columns in bins(w, 3)]
        means = [[x[c][np.ix_(*cell)].mean() for c in range(channels)] for cell in cells]
        local = window([v for cell in means for v in cell], mlca.local_conv)
        whole = window(np.mean(means, axis=0), mlca.global_conv)
        gates = np.zeros((channels, 3, 3))
        for c, i, j in np.ndindex(*gates.shape):
            own = slow.sigmoid(local[(i * 3 + j) * channels + c])
            gates[c, i, j] = 0.3 * own + 0.7 * slow.sigmoid(whole[c])
        y = np.zeros_like(x)
        for i, rows in enumerate(bins(3, h)):
            for j, columns in enumerate(bins(3, w)):
                for c in range(channels):
                    y[c, i, j] = x[c, i, j] * gates[c][np.ix_(rows, columns)].mean()
        return y

    slow.assert_equals(mlca, oracle, height, width)


def test_one_channel_by_hand():
    mlca = MLCA(1, local_size=2, kernel_size=1)
    torch.nn.init.ones_(mlca.local_conv.weight)
    torch.nn.init.constant_(mlca.global_conv.weight, 2)
    x = torch.tensor([math.log(2), math.log(8)]).view(1, 1, 1, 2)
    # Cells are the two values, twice; the mean is log 4, doubled log 16. Gates: half the sum of
    # s(log 2) or s(log 8), and s(log 16).
    gates = [(2 / 3 + 16 / 17) / 2, (8 / 9 + 16 / 17) / 2]
    torch.testing.assert_close(mlca(x).flatten(), x.flatten() * torch.tensor(gates))


def test_the_local_window_crosses_from_the_last_channel_to_the_next_cell():
    mlca = MLCA(2, local_size=2, local_weight=1.0, kernel_size=3)
    mlca.local_conv.weight.data[:] = torch.tensor([1.0, 0.0, 0.0])  # the value before
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])[None]
    before = torch.tensor([[[0.0, 5.0], [6.0, 7.0]], [[1.0, 2.0], [3.0, 4.0]]])[None]
    torch.testing.assert_close(mlca(x), x * before.sigmoid())


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(kernel_size=4), 'kernel_size must be odd, got 4'),
        (dict(local_size=0), 'local_size must be a positive integer, got 0'),
        (dict(local_weight=2), 'local_weight must be from 0 to 1, got 2'),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(UserError, match=f'MLCA: {message}'):
        MLCA(8, **options)
