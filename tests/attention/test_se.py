"""SE: numbers by hand, against loops and against timm."""

import math

import numpy as np
import pytest
import torch
from timm.layers import SEModule

from mmdet_spatialattn.attention import SE

from . import slow
from .samples import perturb


@pytest.mark.parametrize('bias', [True, False])
def test_it_equals_the_loops(bias):
    se = SE(8, reduction=2, bias=bias)

    def oracle(x):
        pooled = np.array([channel.sum() / channel.size for channel in x])
        gate = slow.sigmoid(slow.linear(slow.relu(slow.linear(pooled, se.fc1)), se.fc2))
        return np.array([channel * weight for channel, weight in zip(x, gate)])

    slow.assert_equals(se, oracle)


def test_two_channels_by_hand():
    se = SE(2, reduction=2, bias=False)
    with torch.no_grad():
        se.fc1.weight.copy_(torch.tensor([1.0, -1.0]).view(1, 2, 1, 1))
        se.fc2.weight.copy_(torch.tensor([math.log(3), -math.log(3)]).view(2, 1, 1, 1))
    x = torch.tensor([[[[3.0, 5.0]], [[2.0, 4.0]]]])  # means 4 and 3: hidden ReLU(4 - 3) = 1
    expected = torch.tensor([[[[3.0, 5.0]], [[2.0, 4.0]]]]) * torch.tensor([0.75, 0.25]).view(
        2, 1, 1
    )
    torch.testing.assert_close(se(x), expected)
    # With the channels exchanged the hidden value is cut off, and both gates are 1/2.
    torch.testing.assert_close(se(x.flip(1)), x.flip(1) / 2)


def test_it_equals_timms_with_the_same_hidden_width():
    ours = perturb(SE(64)).eval()
    theirs = SEModule(64, rd_channels=4).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 64, 7, 9)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_timm_rounds_the_hidden_width():
    assert SE(64).fc1.out_channels == 4
    assert SEModule(64).fc1.out_channels == 8
