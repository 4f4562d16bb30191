"""CPCA: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import CPCA
from mmdet_spatialattn.errors import UserError

from . import slow


def test_it_equals_the_loops():
    cpca = CPCA(4, reduction=2, kernel_sizes=(3, 7))

    def oracle(x):
        first, _, second = cpca.channel.mlp
        score = 0
        for pooled in ([channel.mean() for channel in x], [channel.max() for channel in x]):
            score = score + slow.linear(slow.relu(slow.linear(pooled, first)), second)
        x = np.array([channel * slow.sigmoid(s) for channel, s in zip(x, score)])
        local = slow.conv(x, cpca.local)
        total = local.copy()
        for across, down in cpca.strips:
            total += slow.conv(slow.conv(local, across), down)
        y = np.zeros_like(x)
        for c, i, j in np.ndindex(*x.shape):
            y[c, i, j] = x[c, i, j] * slow.linear(total[:, i, j], cpca.mix)[c]
        return y

    slow.assert_equals(cpca, oracle)


def test_one_channel_by_hand():
    cpca = CPCA(1)
    for parameter in cpca.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(cpca.channel.mlp[2].bias, math.log(3) / 2)  # twice: the gate is 3 / 4
    for conv in (cpca.local, *(layer for strip in cpca.strips for layer in strip)):
        conv.weight.data[0, 0, conv.kernel_size[0] // 2, conv.kernel_size[1] // 2] = 1
    torch.nn.init.ones_(cpca.mix.weight)
    x = torch.tensor([1.0, 4.0, -2.0]).view(1, 1, 1, 3)
    # All windows pass the middle on: the weight is 1 + 3 times the gated value.
    torch.testing.assert_close(cpca(x), 4 * (0.75 * x) ** 2)


def test_each_strip_runs_along_the_row_and_then_along_the_column():
    sizes = [tuple(layer.kernel_size for layer in strip) for strip in CPCA(4).strips]
    assert sizes == [((1, 7), (7, 1)), ((1, 11), (11, 1)), ((1, 21), (21, 1))]


def test_an_even_strip_is_named():
    with pytest.raises(UserError, match='CPCA: kernel_size must be odd, got 8'):
        CPCA(8, kernel_sizes=(7, 8))
