"""AttentionGate: numbers by hand and against loops."""

import math

import pytest
import torch

from mmdet_spatialattn.attention import AttentionGate
from mmdet_spatialattn.errors import UserError


def slow(gate, x, guide):
    """Gate each 2x2 block; sizes are even and the guide has half the size of the map."""
    theta, phi, psi = gate.theta.weight, gate.phi, gate.psi
    n, _, h, w = x.shape
    small = torch.zeros(n, 1, h // 2, w // 2, dtype=x.dtype)
    for b in range(n):
        for i in range(h // 2):
            for j in range(w // 2):
                total = psi.bias[0].item()
                for k in range(theta.shape[0]):
                    hidden = phi.bias[k] + phi.weight[k, :, 0, 0] @ guide[b, :, i, j]
                    for di in (0, 1):
                        for dj in (0, 1):
                            hidden = hidden + theta[k, :, di, dj] @ x[b, :, 2 * i + di, 2 * j + dj]
                    total += psi.weight[0, k, 0, 0].item() * max(hidden.item(), 0.0)
                small[b, 0, i, j] = 1 / (1 + math.exp(-total))
    return x * torch.nn.functional.interpolate(small, size=(h, w), mode='bilinear')


def test_one_block_by_hand():
    gate = AttentionGate(1)
    for layer in (gate.theta, gate.phi, gate.psi):
        torch.nn.init.ones_(layer.weight)
    torch.nn.init.zeros_(gate.phi.bias)
    torch.nn.init.constant_(gate.psi.bias, -math.log(4.0))
    x = torch.tensor([[1.0, 2.0], [3.0, -6.0]]).view(1, 1, 2, 2)
    guide = torch.full((1, 1, 1, 1), math.log(12.0))
    # theta = 0, so the score is log 12 - log 4 = log 3 and the gate 3 / 4.
    torch.testing.assert_close(gate(x, guide), 0.75 * x)
    # A guide of -1 is cut by the ReLU: the gate is 1 / (1 + 4).
    torch.testing.assert_close(gate(x, -torch.ones(1, 1, 1, 1)), 0.2 * x)


@pytest.mark.parametrize('guide_channels', [4, 3])
def test_it_equals_the_loops(guide_channels):
    gate = AttentionGate(4, guide_channels).double()
    x = torch.randn(2, 4, 6, 8).double()
    guide = torch.randn(2, guide_channels, 3, 4).double()
    torch.testing.assert_close(gate(x, guide), slow(gate, x, guide).detach())


def test_the_hidden_width_is_half_the_channels_unless_given():
    assert AttentionGate(10).theta.weight.shape == (5, 10, 2, 2)
    assert AttentionGate(10, hidden_channels=3).phi.weight.shape == (3, 10, 1, 1)


def test_the_last_odd_row_is_outside_the_blocks_as_released():
    gate = AttentionGate(4)
    x, guide = torch.randn(1, 4, 5, 4), torch.randn(1, 4, 2, 2)
    changed = x.clone()
    changed[:, :, 4] += 1
    torch.testing.assert_close(gate(x, guide)[:, :, :4], gate(changed, guide)[:, :, :4])


def test_a_wrong_hidden_width_is_named():
    with pytest.raises(UserError, match='hidden_channels must be at least 1, got 0'):
        AttentionGate(4, hidden_channels=0)
