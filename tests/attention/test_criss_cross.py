"""CrissCross: numbers by hand, against loops, and against MMCV's."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn import compat
from mmdet_spatialattn.attention import CrissCross, capture_maps
from mmdet_spatialattn.errors import UserError

from . import slow
from .samples import perturb


@pytest.mark.parametrize('recurrence', [1, 2])
def test_it_equals_the_loops(recurrence):
    cross = CrissCross(4, reduction=2, recurrence=recurrence)

    def once(x):
        _, h, w = x.shape
        query, key, value = (slow.conv(x, layer) for layer in (cross.query, cross.key, cross.value))
        y = np.zeros_like(x)
        for i in range(h):
            for j in range(w):
                seen = {(a, j) for a in range(h)} | {(i, b) for b in range(w)}
                seen = sorted(seen)
                weights = slow.softmax([query[:, i, j] @ key[:, a, b] for a, b in seen])
                mixed = sum(p * value[:, a, b] for p, (a, b) in zip(weights, seen))
                y[:, i, j] = x[:, i, j] + slow.array(cross.gamma)[0] * mixed
        return y

    slow.assert_equals(cross, once if recurrence == 1 else lambda x: once(once(x)))


def test_the_position_itself_counts_once_by_hand():
    cross = CrissCross(1, recurrence=1)
    for name, parameter in cross.named_parameters():
        torch.nn.init.constant_(parameter, float('value.weight' in name or 'gamma' in name))
    x = torch.tensor([[3.0, 6.0], [9.0, 100.0]]).view(1, 1, 2, 2)
    # All scores are 0: the mean of a position and its two neighbours.
    expected = torch.tensor([[3.0 + 6, 6 + 109 / 3], [9 + 112 / 3, 100 + 115 / 3]]).view(1, 1, 2, 2)
    torch.testing.assert_close(cross(x), expected)
    with capture_maps(cross) as captured:
        cross(x)
    torch.testing.assert_close(captured['']['spatial'], torch.ones(1, 1, 2, 2))


def test_scores_decide_by_hand():
    cross = CrissCross(1, recurrence=1)
    for name, parameter in cross.named_parameters():
        torch.nn.init.constant_(parameter, 0.0 if 'bias' in name else 1.0)
    root = math.sqrt(math.log(3))
    x = torch.tensor([root, 0.0]).view(1, 1, 2, 1)
    torch.testing.assert_close(cross(x).flatten(), torch.tensor([1.75 * root, 0.5 * root]))


def test_after_two_passes_every_position_has_seen_every_other():
    for recurrence, seen in ((1, 5), (2, 9)):
        cross = perturb(CrissCross(4, recurrence=recurrence))
        x = torch.randn(1, 4, 3, 3, requires_grad=True)
        cross(x)[0, :, 1, 1].sum().backward()
        assert int((x.grad.abs().amax(1) > 0).sum()) == seen


@pytest.mark.parametrize('recurrence', [1, 2])
def test_it_equals_mmcvs(recurrence):
    compat.install()
    theirs_of = pytest.importorskip('mmcv.ops.cc_attention').CrissCrossAttention
    ours, theirs = perturb(CrissCross(16, recurrence=recurrence)), theirs_of(16)
    state = {k.replace('.', '_conv.'): v for k, v in ours.state_dict().items() if '.' in k}
    theirs.load_state_dict({**state, 'gamma.scale': ours.gamma[0]})
    x = torch.randn(2, 16, 5, 7)
    expected = theirs(x) if recurrence == 1 else theirs(theirs(x))
    torch.testing.assert_close(ours(x), expected, rtol=1e-5, atol=1e-5)


def test_a_wrong_recurrence_is_named():
    with pytest.raises(UserError, match='CrissCross: recurrence must be at least 1, got 0'):
        CrissCross(8, recurrence=0)
