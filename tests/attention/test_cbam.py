"""CBAM and its halves: numbers by hand, against loops and against timm."""

import math

import numpy as np
import torch
from timm.layers.cbam import CbamModule

from mmdet_spatialattn.attention import CBAM, CBAMChannelGate, CBAMSpatialGate

from . import slow
from .samples import perturb


def channel_oracle(gate):
    def run(x):
        scores = []
        for pooled in ([c.sum() / c.size for c in x], [c.max() for c in x]):
            hidden = slow.relu(slow.linear(np.array(pooled), gate.mlp[0]))
            scores.append(slow.linear(hidden, gate.mlp[2]))
        return np.array([c * slow.sigmoid(a + b) for c, a, b in zip(x, *scores)])

    return run


def spatial_oracle(gate):
    def run(x):
        _, h, w = x.shape
        pooled = np.zeros((2, h, w))
        for i, j in np.ndindex(h, w):
            pooled[:, i, j] = max(x[:, i, j]), sum(x[:, i, j]) / len(x)
        scores = slow.conv(pooled, gate.conv)
        if isinstance(gate.norm, torch.nn.BatchNorm2d):
            scores = slow.batch_norm(scores, gate.norm)
        return x * slow.sigmoid(scores)

    return run


def test_the_channel_gate_equals_the_loops():
    gate = CBAMChannelGate(8, reduction=2)
    slow.assert_equals(gate, channel_oracle(gate))


def test_the_spatial_gate_equals_the_loops():
    for kernel_size, norm_cfg in ((7, dict(type='BN', momentum=0.01)), (3, None)):
        gate = CBAMSpatialGate(4, kernel_size, norm_cfg)
        slow.assert_equals(gate, spatial_oracle(gate))


def test_the_channel_gate_comes_first():
    cbam = CBAM(8, reduction=2)
    channel, spatial = channel_oracle(cbam.channel), spatial_oracle(cbam.spatial)
    slow.assert_equals(cbam, lambda x: spatial(channel(x)))


def test_one_channel_by_hand():
    gate = CBAMChannelGate(1)
    for parameter in gate.parameters():
        torch.nn.init.ones_(parameter)
    # Mean 1 and maximum 2: (1 + 1 + 1) + (2 + 1 + 1) = 7.
    y = gate(torch.tensor([0.0, 2.0]).view(1, 1, 1, 2))
    torch.testing.assert_close(y.flatten(), torch.tensor([0, 2 / (1 + math.exp(-7))]))


def test_one_location_by_hand():
    gate = CBAMSpatialGate(3, norm_cfg=None)
    torch.nn.init.zeros_(gate.conv.weight)
    gate.conv.weight.data[0, :, 3, 3] = torch.tensor([1.0, -1.0])  # maximum minus mean
    y = gate(torch.tensor([0.0, math.log(2), math.log(16)]).view(1, 3, 1, 1))
    weight = 1 / (1 + math.exp(-(math.log(16) - math.log(32) / 3)))
    torch.testing.assert_close(y.flatten(), torch.tensor([0, math.log(2), math.log(16)]) * weight)


def test_it_equals_timms_where_the_two_agree():
    # timm's MLP has no biases, and its spatial half takes the mean before the maximum.
    ours = perturb(CBAM(32)).eval()
    theirs = CbamModule(32, rd_channels=2).eval()
    torch.nn.init.zeros_(ours.channel.mlp[0].bias)
    torch.nn.init.zeros_(ours.channel.mlp[2].bias)
    with torch.no_grad():
        theirs.channel.fc1.weight.copy_(ours.channel.mlp[0].weight[..., None, None])
        theirs.channel.fc2.weight.copy_(ours.channel.mlp[2].weight[..., None, None])
        theirs.spatial.conv.conv.weight.copy_(ours.spatial.conv.weight.flip(1))
    theirs.spatial.conv.bn.load_state_dict(ours.spatial.norm.state_dict())
    x = torch.randn(2, 32, 9, 7)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_timm_has_no_biases_and_another_order():
    theirs = CbamModule(32, rd_channels=2)
    assert theirs.channel.fc1.bias is None and theirs.channel.fc2.bias is None
    torch.nn.init.zeros_(theirs.spatial.conv.conv.weight)
    theirs.spatial.conv.conv.weight.data[0, 0, 3, 3] = 1  # sees the mean, ours the maximum
    ours = CBAMSpatialGate(32)
    ours.conv.weight.data.copy_(theirs.spatial.conv.conv.weight)
    x = torch.randn(1, 32, 1, 1)
    scale = (1 + 1e-5) ** -0.5
    torch.testing.assert_close(ours.eval()(x), x * (x.amax() * scale).sigmoid())
    torch.testing.assert_close(theirs.spatial.eval()(x), x * (x.mean() * scale).sigmoid())
