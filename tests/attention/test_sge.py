"""SGE: numbers by hand and against loops."""

import math

import numpy as np
import torch

from mmdet_spatialattn.attention import SGE

from . import slow


def test_it_equals_the_loops():
    sge = SGE(6, groups=3)

    def oracle(x):
        _, h, w = x.shape
        weight, bias = slow.array(sge.weight).ravel(), slow.array(sge.bias).ravel()
        y = np.zeros_like(x)
        for g in range(3):
            group = x[2 * g : 2 * g + 2]
            means = [c.sum() / c.size for c in group]
            s = sum(c * m for c, m in zip(group, means))
            mean = s.sum() / s.size
            deviation = math.sqrt(((s - mean) ** 2).sum() / (s.size - 1))
            score = (s - mean) / (deviation + 1e-5) * weight[g] + bias[g]
            y[2 * g : 2 * g + 2] = group * slow.sigmoid(score)
        assert y.shape[1:] == (h, w)
        return y

    slow.assert_equals(sge, oracle)


def test_three_locations_by_hand():
    sge = SGE(1, groups=1, eps=0.0)
    torch.nn.init.ones_(sge.weight)
    torch.nn.init.zeros_(sge.bias)
    x = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)  # times the mean 2: 2, 4, 6; deviation 2
    expected = x * torch.tensor([-1.0, 0.0, 1.0]).sigmoid()
    torch.testing.assert_close(sge(x), expected)


def test_the_new_module_weighs_everything_alike():
    x = torch.randn(2, 64, 5, 7)
    torch.testing.assert_close(SGE(64)(x), x / (1 + math.exp(-1)))


def test_a_map_of_one_location_has_no_deviation():
    sge = SGE(4, groups=2)
    torch.nn.init.ones_(sge.weight)
    x = torch.randn(1, 4, 1, 1)
    torch.testing.assert_close(sge(x), x / (1 + math.exp(-1)))
