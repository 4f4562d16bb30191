"""SCSE: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import SCSE
from mmdet_spatialattn.errors import UserError

from . import slow


def oracle(scse):
    def run(x):
        hidden = slow.relu(slow.linear([channel.mean() for channel in x], scse.channel[0]))
        of_channel = slow.sigmoid(slow.linear(hidden, scse.channel[2]))
        y = np.zeros_like(x)
        for c, i, j in np.ndindex(*x.shape):
            of_place = slow.sigmoid(slow.linear(x[:, i, j], scse.spatial)[0])
            pair = x[c, i, j] * of_channel[c], x[c, i, j] * of_place
            y[c, i, j] = max(pair) if scse.combine == 'max' else sum(pair)
        return y

    return run


@pytest.mark.parametrize('combine', ['max', 'add'])
def test_it_equals_the_loops(combine):
    scse = SCSE(4, combine=combine)
    slow.assert_equals(scse, oracle(scse))


@pytest.mark.parametrize('combine, gates', [('max', (0.75, 0.25)), ('add', (1.0, 1.0))])
def test_constant_gates_by_hand(combine, gates):
    scse = SCSE(2, combine=combine)
    for parameter in scse.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(scse.channel[2].bias, math.log(3))  # 3 / 4
    torch.nn.init.constant_(scse.spatial.bias, -math.log(3))  # 1 / 4
    y = scse(torch.tensor([4.0, -4.0]).view(1, 1, 1, 2).expand(1, 2, 1, 2))
    # The larger of two negative outputs is the one with the smaller gate.
    torch.testing.assert_close(y[0, 0, 0], torch.tensor([4 * gates[0], -4 * gates[1]]))


def test_a_wrong_combination_is_named():
    with pytest.raises(UserError, match="SCSE: combine must be one of .* got 'sum'"):
        SCSE(8, combine='sum')
