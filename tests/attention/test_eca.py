"""ECA: numbers by hand, against loops and against timm."""

import math

import numpy as np
import pytest
import torch
from timm.layers import EcaModule

from mmdet_spatialattn.attention import ECA

from . import slow
from .samples import perturb


@pytest.mark.parametrize(
    'channels, kernel_size', [(1, 3), (32, 3), (64, 3), (128, 5), (256, 5), (512, 5), (2048, 7)]
)
def test_the_window_follows_the_paper(channels, kernel_size):
    assert ECA(channels).conv.kernel_size == (kernel_size,)


@pytest.mark.parametrize('kernel_size', [None, 1, 5])
def test_it_equals_the_loops(kernel_size):
    eca = ECA(8, kernel_size)

    def oracle(x):
        weight = slow.array(eca.conv.weight)[0, 0]
        radius = len(weight) // 2
        means = [c.sum() / c.size for c in x]
        y = np.zeros_like(x)
        for c in range(len(x)):
            score = 0.0
            for offset in range(-radius, radius + 1):
                if 0 <= c + offset < len(x):
                    score += weight[offset + radius] * means[c + offset]
            y[c] = x[c] * slow.sigmoid(score)
        return y

    slow.assert_equals(eca, oracle)


def test_three_channels_by_hand():
    eca = ECA(3)
    eca.conv.weight.data = torch.tensor([[[0.0, 0.0, 1.0]]])  # each channel sees the next one
    x = torch.tensor([5.0, math.log(3), -math.log(3)]).view(1, 3, 1, 1)
    expected = x * torch.tensor([0.75, 0.25, 0.5]).view(1, 3, 1, 1)
    torch.testing.assert_close(eca(x), expected)


@pytest.mark.parametrize('channels', [32, 128, 512])
def test_it_equals_timms(channels):
    ours = perturb(ECA(channels)).eval()
    theirs = EcaModule(channels).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, channels, 7, 9)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
