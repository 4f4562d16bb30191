"""CAA: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import CAA

from . import slow


@pytest.mark.parametrize('kernel_size', [3, 11])
def test_it_equals_the_loops(kernel_size):
    caa = CAA(3, kernel_size)

    def oracle(x):
        mean = np.zeros_like(x)
        for c, i, j in np.ndindex(*x.shape):
            window = x[c, max(i - 3, 0) : i + 4, max(j - 3, 0) : j + 4]
            mean[c, i, j] = window.sum() / 49
        strips = slow.conv(slow.conv(slow.conv(mean, caa.conv1), caa.h_conv), caa.v_conv)
        return x * slow.sigmoid(slow.conv(strips, caa.conv2))

    slow.assert_equals(caa, oracle, 9, 10)


def test_one_location_by_hand():
    caa = CAA(1)
    for parameter in caa.parameters():
        torch.nn.init.zeros_(parameter)
    for layer in (caa.conv1, caa.conv2):
        torch.nn.init.ones_(layer.weight)
    caa.h_conv.weight.data[0, 0, 0, 5] = 1
    caa.v_conv.weight.data[0, 0, 5, 0] = 1
    # Beyond the border the mean over 7x7 takes zeros: 49 log 3 / 49.
    x = torch.full((1, 1, 1, 1), 49 * math.log(3))
    torch.testing.assert_close(caa(x), x * 0.75)
