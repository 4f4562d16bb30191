"""StripPooling: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import StripPooling

from . import slow


@pytest.mark.parametrize('norm_cfg', [dict(type='BN'), None])
def test_it_equals_the_loops(norm_cfg):
    module = StripPooling(3, norm_cfg)

    def oracle(x):
        channels, h, w = x.shape
        rows, columns = np.zeros((channels, h, 1)), np.zeros((channels, 1, w))
        for c in range(channels):
            for i in range(h):
                rows[c, i, 0] = sum(x[c, i]) / w
            for j in range(w):
                columns[c, 0, j] = sum(x[c, :, j]) / h
        rows, columns = slow.conv(rows, module.conv1), slow.conv(columns, module.conv2)
        if norm_cfg:
            rows = slow.batch_norm(rows, module.norm1)
            columns = slow.batch_norm(columns, module.norm2)
        y = np.zeros_like(x)
        for i, j in np.ndindex(h, w):
            both = slow.relu(rows[:, i, 0] + columns[:, 0, j])
            y[:, i, j] = x[:, i, j] * slow.sigmoid(slow.linear(both, module.conv3))
        return y

    slow.assert_equals(module, oracle)


def test_rows_look_up_and_down_and_columns_aside():
    module = StripPooling(1, norm_cfg=None)
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    module.conv1.weight.data[0, 0, 2, 0] = 1  # the row below
    module.conv3.weight.data.fill_(1)
    x = torch.tensor([[1.0, 1.0], [0.0, 2 * math.log(3)]]).view(1, 1, 2, 2)
    gates = torch.tensor([[0.75, 0.75], [0.5, 0.5]])  # the row below has the mean log 3
    torch.testing.assert_close(module(x), x * gates)
    module.conv1.weight.data.zero_()
    module.conv2.weight.data[0, 0, 0, 0] = 1  # the column to the left, mean 1/2
    gates = torch.tensor([0.5, 1 / (1 + math.exp(-0.5))])
    torch.testing.assert_close(module(x), x * gates)
