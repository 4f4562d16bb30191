"""GCT: numbers by hand and against loops."""

import math

import numpy as np
import torch

from mmdet_spatialattn.attention import GCT

from . import slow


def test_it_equals_the_loops():
    gct = GCT(6)

    def oracle(x):
        alpha, gamma, beta = (
            slow.array(p).ravel()
            for p in (gct.embedding_weight, gct.gating_weight, gct.gating_bias)
        )
        e = [math.sqrt((c**2).sum() + 1e-5) * a for c, a in zip(x, alpha)]
        norm = math.sqrt(sum(v**2 for v in e) / len(e) + 1e-5)
        gates = [1 + math.tanh(v * g / norm + b) for v, g, b in zip(e, gamma, beta)]
        return np.array([c * gate for c, gate in zip(x, gates)])

    slow.assert_equals(gct, oracle)


def test_two_channels_by_hand():
    gct = GCT(2, eps=0.0)
    torch.nn.init.ones_(gct.gating_weight)
    x = torch.tensor([[[[3.0, 4.0]], [[0.0, 5 * math.sqrt(7)]]]])
    # Norms 5 and 5 sqrt 7, their quadratic mean 10: competitors weigh 1/2 and sqrt 7 / 2.
    gates = torch.tensor([1 + math.tanh(0.5), 1 + math.tanh(math.sqrt(7) / 2)]).view(2, 1, 1)
    torch.testing.assert_close(gct(x), x * gates)


def test_the_new_module_is_the_identity():
    x = torch.randn(2, 8, 5, 7)
    assert torch.equal(GCT(8)(x), x)


def test_large_half_precision_maps_do_not_overflow():
    gct = GCT(4).half()
    torch.nn.init.ones_(gct.gating_weight)
    x = torch.full((1, 4, 64, 64), 10.0, dtype=torch.half)  # a norm of 640, whose square is too big
    torch.testing.assert_close(gct(x), x * (1 + math.tanh(1)))
