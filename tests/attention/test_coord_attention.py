"""CoordAttention: numbers by hand, against loops, and against timm's."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import CoordAttention

from . import slow
from .samples import perturb


def test_it_equals_the_loops():
    coord = CoordAttention(4)

    def hidden(vector):
        z = slow.batch_norm(slow.linear(vector, coord.conv1)[:, None, None], coord.norm)[:, 0, 0]
        return np.array([v * min(max(v + 3, 0), 6) / 6 for v in z])

    def oracle(x):
        y = np.zeros_like(x)
        for i in range(x.shape[1]):
            row = slow.sigmoid(slow.linear(hidden(x[:, i].mean(1)), coord.conv_h))
            for j in range(x.shape[2]):
                column = slow.sigmoid(slow.linear(hidden(x[:, :, j].mean(1)), coord.conv_w))
                y[:, i, j] = x[:, i, j] * row * column
        return y

    slow.assert_equals(coord, oracle)


def test_two_columns_by_hand():
    coord = CoordAttention(1, norm_cfg=None)
    for name, parameter in coord.named_parameters():
        torch.nn.init.constant_(parameter, 0 if name.endswith('bias') else 1 / 8)
    torch.nn.init.constant_(coord.conv1.bias, 3)
    x = torch.tensor([0.0, 8.0]).view(1, 1, 1, 2)
    # Hidden: hswish(3 + mean / 8) = 3 + mean / 8 beyond 3. Means: 4 over the row, 0 and 8 over the
    # columns: 3.5, 3 and 4; the eight hidden channels add up to the same.
    expected = 8 / (1 + math.exp(-3.5)) / (1 + math.exp(-4))
    torch.testing.assert_close(coord(x).flatten(), torch.tensor([0.0, expected]))


@pytest.mark.parametrize('training', [True, False])
def test_it_equals_timms_with_biases_and_of_equal_width(training):
    timm = pytest.importorskip('timm.layers.coord_attn')
    ours = perturb(CoordAttention(64, reduction=4)).train(training)
    theirs = timm.CoordAttn(64, rd_channels=16, bias=True).train(training)
    theirs.load_state_dict({k.replace('norm.', 'bn1.'): v for k, v in ours.state_dict().items()})
    x = torch.randn(2, 64, 9, 14)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_timms_default_has_no_bias_and_another_width():
    timm = pytest.importorskip('timm.layers.coord_attn')
    theirs, ours = timm.CoordAttn(512), CoordAttention(512)
    assert theirs.conv1.bias is None and ours.conv1.bias is not None
    assert (theirs.conv1.out_channels, ours.conv1.out_channels) == (24, 16)


def test_the_hidden_width_is_at_least_eight():
    assert CoordAttention(64).conv1.out_channels == 8
    assert CoordAttention(512).conv1.out_channels == 16
