"""EffectiveSE: numbers by hand, against loops and against timm."""

import numpy as np
import torch
from timm.layers import EffectiveSEModule

from mmdet_spatialattn.attention import EffectiveSE

from . import slow
from .samples import perturb


def test_it_equals_the_loops():
    module = EffectiveSE(6)

    def oracle(x):
        scores = slow.linear(np.array([c.sum() / c.size for c in x]), module.fc)
        return np.array([c * min(max(s / 6 + 0.5, 0), 1) for c, s in zip(x, scores)])

    slow.assert_equals(module, oracle)


def test_the_sigmoid_is_hard_by_hand():
    module = EffectiveSE(4)
    torch.nn.init.zeros_(module.fc.bias)
    module.fc.weight.data = torch.eye(4).view(4, 4, 1, 1)
    x = torch.tensor([-4.0, 0.0, 1.5, 5.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(module(x).flatten(), torch.tensor([0.0, 0.0, 1.125, 5.0]))


def test_it_equals_timms():
    ours = perturb(EffectiveSE(32)).eval()
    theirs = EffectiveSEModule(32).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 32, 7, 9)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
