"""DualAttention and its halves: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import (
    DualAttention,
    DualChannelAttention,
    DualPositionAttention,
    capture_maps,
)

from . import slow


def position_update(module, x):
    places = [x[:, i, j] for i in range(x.shape[1]) for j in range(x.shape[2])]
    layers = (module.query, module.key, module.value)
    query, key, value = ([slow.linear(p, layer) for p in places] for layer in layers)
    mixed = []
    for q in query:
        weights = slow.softmax([q @ k for k in key])
        mixed.append(sum(w * v for w, v in zip(weights, value)))
    return slow.array(module.gamma)[0] * np.array(mixed).T.reshape(x.shape)


def channel_update(module, x):
    y = np.zeros_like(x)
    for c in range(len(x)):
        energy = np.array([(x[c] * x[d]).sum() for d in range(len(x))])
        for d, weight in enumerate(slow.softmax(energy.max() - energy)):
            y[c] += weight * x[d]
    return slow.array(module.gamma)[0] * y


def test_the_position_half_equals_the_loops():
    module = DualPositionAttention(4, reduction=2)
    slow.assert_equals(module, lambda x: x + position_update(module, x))


def test_the_channel_half_equals_the_loops():
    module = DualChannelAttention(4)
    slow.assert_equals(module, lambda x: x + channel_update(module, x))


def test_the_whole_adds_both_updates_to_one_input():
    module = DualAttention(4, reduction=2)
    slow.assert_equals(
        module,
        lambda x: x + position_update(module.position, x) + channel_update(module.channel, x),
    )


def test_two_positions_by_hand():
    module = DualPositionAttention(1)
    for name, parameter in module.named_parameters():
        torch.nn.init.constant_(parameter, 0.0 if 'bias' in name else 1.0)
    root = math.sqrt(math.log(3))
    x = torch.tensor([root, 0.0]).view(1, 1, 1, 2)
    torch.testing.assert_close(module(x).flatten(), torch.tensor([1.75 * root, 0.5 * root]))
    with capture_maps(module) as captured:
        module(x)
    torch.testing.assert_close(captured['']['spatial'].flatten(), torch.tensor([1.25, 0.75]))


def test_two_channels_by_hand_attend_to_what_they_are_not():
    module = DualChannelAttention(2)
    torch.nn.init.ones_(module.gamma)
    root = math.sqrt(math.log(3))
    x = torch.tensor([root, 0.0]).view(1, 2, 1, 1)
    # The first channel's energies are log 3 and 0: reversed, 1/4 and 3/4; the second's are both 0.
    torch.testing.assert_close(module(x).flatten(), torch.tensor([1.25 * root, 0.5 * root]))
    with capture_maps(module) as captured:
        module(x)
    torch.testing.assert_close(captured['']['channel'].flatten(), torch.tensor([0.75, 1.25]))


@pytest.mark.parametrize('module', [DualAttention, DualChannelAttention, DualPositionAttention])
def test_it_starts_as_the_identity_without_being_asked(module):
    x = torch.randn(2, 8, 5, 4)
    assert torch.equal(module(8)(x), x)
