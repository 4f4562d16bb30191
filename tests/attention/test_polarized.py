"""PolarizedSelfAttention: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import PolarizedSelfAttention
from mmdet_spatialattn.errors import UserError

from . import slow


def oracle(psa):
    def channel_gate(x):
        places = [x[:, i, j] for i in range(x.shape[1]) for j in range(x.shape[2])]
        weights = slow.softmax([slow.linear(p, psa.channel_query)[0] for p in places])
        value = sum(w * slow.linear(p, psa.channel_value) for w, p in zip(weights, places))
        if psa.mode == 'parallel':
            return slow.sigmoid(slow.linear(value, psa.up))
        down, norm, _, up = psa.up
        z = slow.linear(value, down)
        z = (z - z.mean()) / math.sqrt(((z - z.mean()) ** 2).mean() + norm.eps)
        z = slow.relu(z * slow.array(norm.weight) + slow.array(norm.bias))
        return slow.sigmoid(slow.linear(z, up))

    def spatial_gate(x):
        places = [x[:, i, j] for i in range(x.shape[1]) for j in range(x.shape[2])]
        query = sum(slow.linear(p, psa.spatial_query) for p in places) / len(places)
        theta = np.array([slow.linear(p, psa.spatial_value) for p in places])  # (H W, C / 2)
        if psa.mode == 'parallel':
            score = slow.softmax([query @ t for t in theta])
        else:
            theta = np.array([slow.softmax(column) for column in theta.T]).T
            score = np.array([query @ t for t in theta])
        return slow.sigmoid(score).reshape(x.shape[1:])

    def run(x):
        by_channel = x * channel_gate(x)[:, None, None]
        if psa.mode == 'parallel':
            return by_channel + x * spatial_gate(x)
        return by_channel * spatial_gate(by_channel)

    return run


@pytest.mark.parametrize('mode', ['parallel', 'sequential'])
def test_it_equals_the_loops(mode):
    psa = PolarizedSelfAttention(8, mode=mode)
    slow.assert_equals(psa, oracle(psa))


def by_hand(mode):
    psa = PolarizedSelfAttention(2, mode=mode).eval()
    for parameter in psa.parameters():
        torch.nn.init.ones_(parameter)
    x = torch.tensor([[1.0, 0.0], [math.log(2) - 1, 0.0]]).view(1, 2, 1, 2)
    return psa, x, psa(x)


def test_two_positions_by_hand_in_parallel():
    _, x, y = by_hand('parallel')
    # The positions sum to log 2 and 0. Channels: weights 2/3 and 1/3, value 2/3 log 2, and its
    # sigmoid. Locations: the mean is log(2) / 2, scores log(2)^2 / 2 and 0.
    channel = 1 / (1 + 2 ** (-2 / 3))
    e = math.exp(math.log(2) ** 2 / 2)
    spatial = torch.tensor([e, 1.0]).div(1 + e).sigmoid()
    torch.testing.assert_close(y, x * (channel + spatial))


def test_two_positions_by_hand_in_sequence():
    _, x, y = by_hand('sequential')
    # The bottleneck has one channel, whose layer norm is its bias, 1; then 1 * 1 + 1 = 2. All that
    # is gated by g = s(2): the positions sum to g log 2 and 0, whose softmax is scored by the mean.
    g = 1 / (1 + math.exp(-2))
    score = torch.tensor([2**g, 1.0]) / (1 + 2**g) * g * math.log(2) / 2
    torch.testing.assert_close(y, x * g * score.sigmoid())


def test_an_unknown_mode_is_named():
    with pytest.raises(UserError, match="mode must be one of .* got 'both'"):
        PolarizedSelfAttention(8, mode='both')
