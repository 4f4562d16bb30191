"""EMA: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import EMA
from mmdet_spatialattn.errors import UserError

from . import slow


def test_it_equals_the_loops():
    ema = EMA(6, factor=2)

    def group(x):
        width, h, w = x.shape
        row = [slow.sigmoid(slow.linear(x[:, i].mean(1), ema.strips)) for i in range(h)]
        column = [slow.sigmoid(slow.linear(x[:, :, j].mean(1), ema.strips)) for j in range(w)]
        gated = np.zeros_like(x)
        for c, i, j in np.ndindex(*x.shape):
            gated[c, i, j] = x[c, i, j] * row[i][c] * column[j][c]
        normed = slow.group_norm(gated, ema.norm)
        other = slow.conv(x, ema.local)
        of_one = slow.softmax([channel.mean() for channel in normed])
        of_other = slow.softmax([channel.mean() for channel in other])
        y = np.zeros_like(x)
        for i in range(h):
            for j in range(w):
                score = sum(of_one[c] * other[c, i, j] for c in range(width))
                score += sum(of_other[c] * normed[c, i, j] for c in range(width))
                y[:, i, j] = x[:, i, j] * slow.sigmoid(score)
        return y

    slow.assert_equals(ema, lambda x: np.concatenate([group(x[:3]), group(x[3:])]))


def test_two_positions_by_hand():
    ema = EMA(1, factor=1)
    torch.nn.init.zeros_(ema.local.weight)
    torch.nn.init.constant_(ema.local.bias, math.log(2))
    torch.nn.init.constant_(ema.norm.weight, math.log(2))
    x = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2)
    torch.nn.init.zeros_(ema.strips.weight)
    # One channel: both softmaxes are 1. The coordinate branch is normed to -1 and 1, times log 2;
    # the local branch is log 2 everywhere: scores 0 and 2 log 2.
    torch.testing.assert_close(ema(x).flatten(), torch.tensor([-0.5, 0.8]), rtol=1e-3, atol=1e-3)


def test_groups_share_the_weights_and_do_not_see_each_other():
    ema = EMA(8, factor=4)
    x = torch.randn(1, 8, 5, 6)
    y = ema(x.roll(2, dims=1))
    torch.testing.assert_close(y.roll(-2, dims=1), ema(x))


def test_a_factor_that_does_not_divide_is_named_with_those_that_do():
    with pytest.raises(UserError, match='EMA: factor=32 does not divide in_channels=40.* 10, 20'):
        EMA(40)
