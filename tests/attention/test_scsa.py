"""SCSA: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mmdet_spatialattn.attention import SCSA
from mmdet_spatialattn.errors import UserError

from . import slow


@pytest.mark.parametrize('height, width', [(7, 5), (2, 9), (1, 1)])
def test_it_equals_the_loops(height, width):
    scsa = SCSA(8, num_heads=2, window=3)

    def gate(strip, norm):
        parts = [strip[2 * g : 2 * g + 2, :, None] for g in range(4)]
        filtered = np.concatenate([slow.conv(p, conv) for p, conv in zip(parts, scsa.strips)])
        return slow.sigmoid(slow.group_norm(filtered, norm))[..., 0]

    def starts(size):
        return [range(s, s + 3) for s in range(0, size - 2, 3)] or [range(size)]

    def oracle(x):
        channels, h, w = x.shape
        of_rows, of_columns = gate(x.mean(2), scsa.norm_h), gate(x.mean(1), scsa.norm_w)
        gated = np.zeros_like(x)
        for c, i, j in np.ndindex(*x.shape):
            gated[c, i, j] = x[c, i, j] * of_rows[c, i] * of_columns[c, j]
        grid = [(rows, columns) for rows in starts(h) for columns in starts(w)]
        pooled = np.array([[channel[np.ix_(*cell)].mean() for cell in grid] for channel in gated])
        normed = slow.group_norm(pooled, scsa.norm)
        q, k, v = (
            normed * slow.array(layer.weight).reshape(-1, 1)
            for layer in (scsa.query, scsa.key, scsa.value)
        )
        y = np.zeros_like(x)
        for c in range(channels):
            head = range(c // 4 * 4, c // 4 * 4 + 4)
            weights = slow.softmax(np.array([q[c] @ k[d] / math.sqrt(4) for d in head]))
            mixed = [sum(p * v[d, t] for p, d in zip(weights, head)) for t in range(len(grid))]
            y[c] = gated[c] * slow.sigmoid(np.mean(mixed))
        return y

    slow.assert_equals(scsa, oracle, height, width)


def test_one_position_by_hand():
    scsa = SCSA(4, num_heads=4)
    nn.init.constant_(scsa.norm_h.bias, math.log(3))
    nn.init.constant_(scsa.norm_w.bias, math.log(4))
    nn.init.ones_(scsa.value.weight)
    x = torch.tensor([1.0, 1.0, 3.0, 3.0]).view(1, 4, 1, 1)
    # A norm of one value is 0: the gates are 3/4 and 4/5. What is left, 0.6 x, is normed over the
    # channels to -1, -1, 1, 1; each head is one channel, which attends to itself.
    e = math.e
    expected = [0.6 / (1 + e), 0.6 / (1 + e), 1.8 * e / (1 + e), 1.8 * e / (1 + e)]
    torch.testing.assert_close(scsa(x).flatten(), torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_windows_are_those_of_average_pooling_and_rows_beyond_are_left_out():
    scsa = SCSA(8, window=4)
    seen = []
    scsa._norm = lambda pooled, whole: seen.append(pooled[..., whole > 0]) or pooled
    x = torch.randn(2, 8, 9, 14)
    scsa._channel_gate(x)
    torch.testing.assert_close(seen[0], nn.functional.avg_pool2d(x, 4).flatten(2))


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_heads=5), 'num_heads=5 does not divide in_channels=24; choose one of 1, 2, 3'),
        (dict(kernel_sizes=(3, 5, 7, 9, 11)), 'groups=5 does not divide in_channels=24'),
        (dict(kernel_sizes=(3, 5, 7, 8)), 'kernel_size must be odd, got 8'),
        (dict(window=0), 'window must be a positive integer, got 0'),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(UserError, match=f'SCSA: {message}'):
        SCSA(24, **options)
