"""SimAM: numbers by hand and against loops."""

import math

import numpy as np
import torch

from mmdet_spatialattn.attention import SimAM

from . import slow


def test_it_equals_the_loops():
    def oracle(x):
        y = np.zeros_like(x)
        for c, channel in enumerate(x):
            mean = channel.sum() / channel.size
            variance = sum((v - mean) ** 2 for v in channel.ravel()) / (channel.size - 1)
            for i, j in np.ndindex(*channel.shape):
                energy = (channel[i, j] - mean) ** 2 / (4 * (variance + 1e-4)) + 0.5
                y[c, i, j] = channel[i, j] * slow.sigmoid(energy)
        return y

    slow.assert_equals(SimAM(3), oracle)


def test_three_values_by_hand():
    x = torch.tensor([1.0, 2.0, 6.0]).view(1, 1, 1, 3)  # mean 3, squares 4, 1, 9, variance 7
    energies = torch.tensor([4.0, 1.0, 9.0]) / 28 + 0.5
    expected = x * energies.sigmoid()
    torch.testing.assert_close(SimAM(1, regularizer=0.0)(x), expected)


def test_a_map_of_one_location_has_no_variance():
    x = torch.tensor([3.0]).view(1, 1, 1, 1)
    torch.testing.assert_close(SimAM(1)(x), x / (1 + math.exp(-0.5)))


def test_large_half_precision_maps_do_not_overflow():
    x = torch.randn(1, 1, 100, 100).mul(20)
    y = SimAM(1)(x.half())
    torch.testing.assert_close(y.float(), SimAM(1)(x), rtol=0.01, atol=0.01)
