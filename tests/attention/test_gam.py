"""GAM: numbers by hand and against loops."""

import math

import numpy as np
import torch

from mmdet_spatialattn.attention import GAM

from . import slow


def test_it_equals_the_loops():
    gam = GAM(4, reduction=2, kernel_size=5)

    def oracle(x):
        gated = np.zeros_like(x)
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                hidden = slow.relu(slow.linear(x[:, i, j], gam.channel[0]))
                gated[:, i, j] = x[:, i, j] * slow.linear(hidden, gam.channel[2])
        first, norm, _, second, last = gam.spatial
        hidden = slow.relu(slow.batch_norm(slow.conv(gated, first), norm))
        return gated * slow.sigmoid(slow.batch_norm(slow.conv(hidden, second), last))

    slow.assert_equals(gam, oracle)


def test_one_channel_by_hand():
    gam = GAM(1, norm_cfg=None)
    for parameter in gam.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.ones_(gam.channel[0].weight)
    torch.nn.init.constant_(gam.channel[2].weight, 3)
    torch.nn.init.constant_(gam.spatial[-2].bias, math.log(3))
    x = torch.tensor([2.0, -2.0]).view(1, 1, 1, 2)
    # 3 ReLU(x) has no sigmoid: 6 and 0; the gate is 3 / 4.
    torch.testing.assert_close(gam(x).flatten(), torch.tensor([2 * 6 * 0.75, 0.0]))
