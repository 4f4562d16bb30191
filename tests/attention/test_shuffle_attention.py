"""ShuffleAttention: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import ShuffleAttention
from mmdet_spatialattn.errors import UserError

from . import slow


@pytest.mark.parametrize('shuffle', [True, False])
@pytest.mark.parametrize('groups', [3, 2])
def test_it_equals_the_loops(shuffle, groups):
    attention = ShuffleAttention(12, groups=groups, shuffle=shuffle)
    half = 12 // groups // 2

    def oracle(x):
        y = np.zeros_like(x)
        w1, b1, w2, b2 = (
            slow.array(p).reshape(-1)
            for p in (attention.channel_weight, attention.channel_bias,
                      attention.spatial_weight, attention.spatial_bias)
        )  # fmt: skip
        for g in range(groups):
            first = 2 * half * g
            normed = slow.group_norm(x[first + half : first + 2 * half], attention.norm)
            for c in range(half):
                mean = x[first + c].mean()
                y[first + c] = x[first + c] * slow.sigmoid(w1[c] * mean + b1[c])
                other = first + half + c
                y[other] = x[other] * slow.sigmoid(w2[c] * normed[c] + b2[c])
        if shuffle:  # 0, 6, 1, 7, ...
            y = np.array([y[c // 2 + c % 2 * 6] for c in range(12)])
        return y

    slow.assert_equals(attention, oracle)


def test_two_channels_by_hand():
    attention = ShuffleAttention(2, groups=1)
    for parameter in (attention.channel_weight, attention.spatial_weight):
        torch.nn.init.constant_(parameter, math.log(2))
    for parameter in (attention.channel_bias, attention.spatial_bias):
        torch.nn.init.zeros_(parameter)
    x = torch.tensor([[0.0, 2.0], [3.0, 5.0]]).view(1, 2, 1, 2)
    # The first channel's mean is 1: gate 2/3. The second is normed to -1 and 1: gates 1/3 and 2/3.
    expected = torch.tensor([[0.0, 4 / 3], [1.0, 10 / 3]]).view(1, 2, 1, 2)
    torch.testing.assert_close(attention(x), expected, rtol=1e-4, atol=1e-4)


def test_at_the_start_all_gates_are_equal_and_the_shuffle_is_seen():
    x = torch.randn(1, 8, 3, 4)
    gate = 1 / (1 + math.exp(-1))
    torch.testing.assert_close(ShuffleAttention(8, groups=2, shuffle=False)(x), gate * x)
    order = [0, 4, 1, 5, 2, 6, 3, 7]
    torch.testing.assert_close(ShuffleAttention(8, groups=2)(x), gate * x[:, order])


@pytest.mark.parametrize(
    'channels, groups, remedy', [(64, 64, 'choose 1 or 2 or 4 or 8 or 16 or 32'), (9, 3, 'an even')]
)
def test_groups_that_do_not_fit_are_named_with_those_that_do(channels, groups, remedy):
    with pytest.raises(UserError, match=f'ShuffleAttention: groups={groups} .*{remedy}'):
        ShuffleAttention(channels, groups=groups)
