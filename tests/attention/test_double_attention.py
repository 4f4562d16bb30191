"""DoubleAttention: numbers by hand and against loops."""

import math

import numpy as np
import torch

from mmdet_spatialattn.attention import DoubleAttention, capture_maps

from . import slow


def test_it_equals_the_loops():
    double = DoubleAttention(8, reduction=2)

    def oracle(x):
        places = [x[:, i, j] for i in range(x.shape[1]) for j in range(x.shape[2])]
        feature = np.array([slow.linear(p, double.feature) for p in places])  # (H W, m)
        gather = np.array([slow.linear(p, double.gather) for p in places])  # (H W, n)
        gather = [slow.softmax(column) for column in gather.T]  # n attention maps
        descriptors = [sum(w * f for w, f in zip(weights, feature)) for weights in gather]
        y = []
        for p in places:
            weights = slow.softmax(slow.linear(p, double.distribute))
            z = sum(w * d for w, d in zip(weights, descriptors))
            y.append(p + slow.linear(z, double.expand))
        return np.array(y).T.reshape(x.shape)

    slow.assert_equals(double, oracle)


def test_two_positions_by_hand():
    double = DoubleAttention(2, reduction=1)
    for parameter in double.parameters():
        torch.nn.init.zeros_(parameter)
    for layer in (double.feature, double.expand, double.gather, double.distribute):
        torch.nn.init.eye_(layer.weight.data.view(2, 2))
    x = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]).view(1, 2, 1, 2)
    # The first descriptor gathers 3/4 of log 3, the second half of it. The first position takes 3/4
    # of the first and 1/4 of the second, the other position half of each.
    first, second = 0.75 * math.log(3), 0.5 * math.log(3)
    expected = [math.log(3) + 0.75 * first + 0.25 * second, (first + second) / 2]
    torch.testing.assert_close(double(x)[0, 0, 0], torch.tensor(expected))
    with capture_maps(double) as captured:
        double(x)
    # The largest of 3/4 and 1/2, and of 1/4 and 1/2, times two positions.
    torch.testing.assert_close(captured['']['spatial'].flatten(), torch.tensor([1.5, 1.0]))
