"""CapacityControl: numbers by hand and against loops, and the count of parameters."""

import numpy as np
import pytest
import torch

from mmdet_spatialattn import build_attention, list_attention
from mmdet_spatialattn.attention import CapacityControl

from . import slow


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_it_equals_the_loops():
    control = CapacityControl(4, like=dict(type='SE', reduction=1))

    def oracle(x):
        y = x.copy()
        up = slow.array(control.up)[:, :, 0, 0]
        for i, j in np.ndindex(*x.shape[1:]):
            hidden = slow.relu(slow.linear(x[:, i, j], control.down))
            y[:, i, j] += [sum(a * b for a, b in zip(row, hidden)) for row in up]
        return y

    slow.assert_equals(control, oracle)


def test_one_channel_by_hand():
    control = CapacityControl(1, like=dict(type='SimAM'))
    control.down.weight.data.fill_(2.0)
    control.up.data.fill_(0.5)
    x = torch.tensor([3.0, -3.0]).view(1, 1, 1, 2)
    torch.testing.assert_close(control(x).flatten(), torch.tensor([3.0 + 3.0, -3.0]))


@pytest.mark.parametrize('channels', [64, 256, 1024])
@pytest.mark.parametrize(
    'name', [r.name for r in list_attention() if r.name != 'CapacityControl' and r.name != 'FCA']
)
def test_the_count_is_the_nearest_possible(name, channels):
    arguments = dict(groups=16) if name in ('SGE', 'ShuffleAttention') else {}
    control = CapacityControl(channels, like=dict(type=name, **arguments))
    target = count(build_attention(name, channels, **arguments))
    hidden = control.down.out_channels
    assert count(control) == 2 * channels * hidden
    misses = [abs(2 * channels * h - target) for h in range(1, hidden + 3)]
    assert abs(count(control) - target) == min(misses)
    assert abs(count(control) - target) <= channels or target < channels


def test_the_arguments_of_the_matched_module_count():
    assert CapacityControl(256).down.out_channels == 17
    wide = CapacityControl(256, like=dict(type='CBAM', reduction=4))
    assert wide.down.out_channels == 65
    assert CapacityControl(256, like=dict(type='mmdet_spatialattn.CBAM')).down.out_channels == 17


def test_it_leaves_the_identity_in_two_steps():
    control = CapacityControl(8)
    x = torch.randn(2, 8, 5, 4)
    assert torch.equal(control(x), x)
    optimizer = torch.optim.SGD(control.parameters(), lr=0.1)
    for step in range(2):
        optimizer.zero_grad()
        control(x).square().mean().backward()
        assert control.up.grad.abs().max() > 0
        assert (control.down.weight.grad.abs().max() > 0) == (step == 1)
        optimizer.step()
    assert not torch.equal(control(x), x)
