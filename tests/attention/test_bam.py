"""BAM: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import BAM
from mmdet_spatialattn.errors import UserError

from . import slow


def oracle(bam):
    def run(x):
        pooled = np.array([[[channel.mean()]] for channel in x])
        c0, c1, _, c3 = bam.channel
        channel = slow.conv(slow.relu(slow.batch_norm(slow.conv(pooled, c0), c1)), c3)
        s = list(bam.spatial)
        spatial = x
        for conv, norm in ((s[0], s[1]), (s[3], s[4]), (s[6], s[7])):
            spatial = slow.relu(slow.batch_norm(slow.conv(spatial, conv), norm))
        spatial = slow.conv(spatial, s[9])
        y = np.zeros_like(x)
        for c, i, j in np.ndindex(*x.shape):
            a, b = channel[c, 0, 0], spatial[0, i, j]
            score = a * b if bam.combine == 'multiply' else a + b
            y[c, i, j] = x[c, i, j] * (1 + slow.sigmoid(score))
        return y

    return run


@pytest.mark.parametrize('combine', ['multiply', 'add'])
def test_it_equals_the_loops(combine):
    bam = BAM(6, reduction=2, dilation=2, combine=combine)
    slow.assert_equals(bam, oracle(bam))


@pytest.mark.parametrize('combine, score', [('multiply', math.log(8)), ('add', math.log(16))])
def test_constant_branches_by_hand(combine, score):
    bam = BAM(2, combine=combine)
    for parameter in bam.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(bam.channel[-1].bias, math.log(2))
    torch.nn.init.constant_(bam.spatial[-1].bias, 3 if combine == 'multiply' else math.log(8))
    x = torch.randn(1, 2, 3, 4)
    torch.testing.assert_close(bam.eval()(x), x * (1 + 1 / (1 + math.exp(-score))))


def test_the_spatial_branch_reaches_eight_positions_and_no_further():
    bam = BAM(2, reduction=1, norm_cfg=None)
    for layer in bam.spatial[::3]:
        torch.nn.init.constant_(layer.weight, 0.1)
        torch.nn.init.zeros_(layer.bias)
    for parameter in bam.channel.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.ones_(bam.channel[-1].bias)
    x = torch.ones(1, 2, 1, 21)
    changed = x.clone()
    changed[..., 10] += 1
    difference = (bam(changed) / changed - bam(x) / x).abs().amax((0, 1, 2))
    assert torch.nonzero(difference > 1e-7).flatten().tolist() == [2, 6, 10, 14, 18]


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(combine='mul'), r"combine must be one of \('multiply', 'add'\), got 'mul'"),
        (dict(dilation=0), 'dilation must be a positive integer, got 0'),
        (dict(reduction=0), 'reduction must be a positive integer, got 0'),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(UserError, match=f'BAM: {message}'):
        BAM(8, **options)
