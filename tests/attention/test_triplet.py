"""TripletAttention: numbers by hand and against loops."""

import math

import numpy as np
import torch

from mmdet_spatialattn.attention import CBAMSpatialGate, TripletAttention

from . import slow


def test_it_equals_the_loops():
    triplet = TripletAttention(4)

    def gate(plane, pooled):
        conv, norm, _ = plane
        return slow.sigmoid(slow.batch_norm(slow.conv(pooled, conv), norm))[0]

    def oracle(x):
        channels, h, w = x.shape
        y = np.zeros_like(x)
        cw, hc, hw = np.zeros((2, channels, w)), np.zeros((2, h, channels)), np.zeros((2, h, w))
        for c in range(channels):
            for j in range(w):
                cw[:, c, j] = x[c, :, j].max(), x[c, :, j].mean()
            for i in range(h):
                hc[:, i, c] = x[c, i].max(), x[c, i].mean()
        for i in range(h):
            for j in range(w):
                hw[:, i, j] = x[:, i, j].max(), x[:, i, j].mean()
        a, b, d = gate(triplet.cw, cw), gate(triplet.hc, hc), gate(triplet.hw, hw)
        for c, i, j in np.ndindex(*x.shape):
            y[c, i, j] = x[c, i, j] * (a[c, j] + b[i, c] + d[i, j]) / 3
        return y

    slow.assert_equals(triplet, oracle)


def test_each_plane_is_a_spatial_gate_of_the_rotated_feature():
    triplet = TripletAttention(5).eval()
    x = torch.randn(2, 5, 6, 7)
    parts = []
    for plane, order in ((triplet.cw, (0, 2, 1, 3)), (triplet.hc, (0, 3, 2, 1)),
                         (triplet.hw, (0, 1, 2, 3))):  # fmt: skip
        rotated = x.permute(order)
        gate = CBAMSpatialGate(rotated.shape[1]).eval()
        gate.conv, gate.norm = plane[0], plane[1]
        parts.append(gate(rotated).permute(order))
    torch.testing.assert_close(triplet(x), sum(parts) / 3)


def test_one_position_by_hand():
    triplet = TripletAttention(1, norm_cfg=None)
    for plane, max_and_mean in ((triplet.cw, (1, 0)), (triplet.hc, (0, 1)), (triplet.hw, (1, 1))):
        torch.nn.init.zeros_(plane[0].weight)
        plane[0].weight.data[0, :, 3, 3] = torch.tensor(max_and_mean)
    x = torch.tensor([math.log(2), math.log(8)]).view(1, 1, 1, 2)
    y = triplet(x).flatten()
    # Plane (C, W) keeps each value: s(log 2), s(log 8). Plane (H, C) means over W: s(log 4). Plane
    # (H, W) adds the value to itself: s(log 4), s(log 64).
    gates = [(2 / 3 + 4 / 5 + 4 / 5) / 3, (8 / 9 + 4 / 5 + 64 / 65) / 3]
    torch.testing.assert_close(y, x.flatten() * torch.tensor(gates))
