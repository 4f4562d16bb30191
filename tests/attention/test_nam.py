"""NAM: numbers by hand and against loops."""

import math

import numpy as np
import torch

from mmdet_spatialattn.attention import NAM

from . import slow


def test_it_equals_the_loops():
    nam = NAM(5)

    def oracle(x):
        gamma = [abs(v) for v in slow.array(nam.norm.weight)]
        y = slow.batch_norm(x, nam.norm)
        return np.array([x[c] * slow.sigmoid(y[c] * gamma[c] / sum(gamma)) for c in range(5)])

    slow.assert_equals(nam, oracle)


def test_two_channels_by_hand():
    nam = NAM(2, norm_cfg=dict(type='BN', eps=0.0)).eval()
    nam.norm.weight.data = torch.tensor([-3.0, 1.0])  # weights 3/4 and 1/4
    value = 4 * math.log(3)
    x = torch.tensor([value, value]).view(1, 2, 1, 1)
    # Scores -3 * 3/4 * 4 log 3 = -9 log 3, and 1 * 1/4 * 4 log 3 = log 3.
    expected = torch.tensor([value / (1 + 3.0**9), value * 0.75])
    torch.testing.assert_close(nam(x).flatten(), expected)


def test_the_scales_are_learned_through_the_channel_weights_too():
    nam = NAM(2).eval()
    x = torch.ones(1, 2, 1, 1)
    nam(x)[0, 0].sum().backward()
    # The second channel's scale enters the first channel's output through the sum alone.
    assert nam.norm.weight.grad[1] < 0
