"""SpatialGate: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import SpatialGate

from . import slow


def test_two_locations_by_hand():
    x = torch.tensor([[math.log(2), 0.0], [math.log(8), 2.0]]).view(1, 2, 1, 2)
    # Means log 4 and 1.
    weights = torch.tensor([0.8, 1 / (1 + math.exp(-1))])
    torch.testing.assert_close(SpatialGate(2)(x), x * weights)
    # Maxima log 8 and 2.
    weights = torch.tensor([8 / 9, 1 / (1 + math.exp(-2))])
    torch.testing.assert_close(SpatialGate(2, pooling='max')(x), x * weights)


@pytest.mark.parametrize('pooling', [('mean',), ('max',), ('mean', 'max'), ('max', 'mean')])
@pytest.mark.parametrize('kernel_size, norm_cfg', [(0, None), (3, None), (7, dict(type='BN'))])
def test_it_equals_the_loops(pooling, kernel_size, norm_cfg):
    gate = SpatialGate(4, pooling, kernel_size, norm_cfg)

    def oracle(x):
        pools = {'mean': lambda values: sum(values) / len(values), 'max': max}
        stats = np.zeros((len(pooling), *x.shape[1:]))
        for i, j in np.ndindex(*x.shape[1:]):
            stats[:, i, j] = [pools[name](x[:, i, j]) for name in pooling]
        scores = slow.conv(stats, gate.conv) if kernel_size else stats.mean(0, keepdims=True)
        if norm_cfg:
            scores = slow.batch_norm(scores, gate.norm)
        return x * slow.sigmoid(scores)

    slow.assert_equals(gate, oracle)


def test_the_plain_gate_has_no_parameters():
    assert list(SpatialGate(8).parameters()) == []
