"""ELA: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import ELA
from mmdet_spatialattn.errors import UserError

from . import slow


def test_it_equals_the_loops():
    ela = ELA(4, kernel_size=3, norm_cfg=dict(type='GN', num_groups=2))

    def gate(strip):
        return slow.sigmoid(slow.group_norm(slow.conv(strip, ela.conv), ela.norm))

    def oracle(x):
        rows = np.array([[[row.mean()] for row in channel] for channel in x])
        columns = np.array([[[column.mean()] for column in channel.T] for channel in x])
        of_rows, of_columns = gate(rows), gate(columns)
        y = np.zeros_like(x)
        for c, i, j in np.ndindex(*x.shape):
            y[c, i, j] = x[c, i, j] * of_rows[c, i, 0] * of_columns[c, j, 0]
        return y

    slow.assert_equals(ela, oracle)


def test_one_row_by_hand():
    ela = ELA(1, kernel_size=3, norm_cfg=None)
    ela.conv.weight.data[:] = torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 3, 1)
    x = torch.tensor([math.log(2), math.log(4)]).view(1, 1, 1, 2)
    # The window adds a value and twice the next: log 2 + 2 log 4 and log 4 along the row; along the
    # column there is only the mean, log 8 / 2.
    of_row = 1 / (1 + 1 / math.sqrt(8))
    expected = [math.log(2) * 32 / 33 * of_row, math.log(4) * 4 / 5 * of_row]
    torch.testing.assert_close(ela(x).flatten(), torch.tensor(expected))


def test_both_directions_share_the_weights():
    ela = ELA(16)
    assert sum(p.numel() for p in ela.parameters()) == 16 * 7 + 2 * 16
    x = torch.randn(2, 16, 5, 9)
    torch.testing.assert_close(ela(x.transpose(2, 3)).transpose(2, 3), ela(x))


def test_groups_that_do_not_divide_are_named_with_the_remedy():
    with pytest.raises(UserError, match=r'ELA: norm_cfg .* divisible by num_groups \(16\)'):
        ELA(24)


def test_timms_efficient_local_attention_is_another_module():
    timm = pytest.importorskip('timm.layers.coord_attn')
    theirs, ours = timm.EfficientLocalAttn(64), ELA(64)
    assert sum(p.numel() for p in theirs.parameters()) > sum(p.numel() for p in ours.parameters())


def test_one_position_of_one_image_in_groups_of_one_is_normed_to_the_bias():
    ela = ELA(16).train()
    x = torch.randn(1, 16, 1, 1)
    torch.testing.assert_close(ela(x), x / 4)
