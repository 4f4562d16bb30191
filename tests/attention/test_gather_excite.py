"""GatherExcite: numbers by hand, against loops and against timm."""

import math

import numpy as np
import pytest
import torch
from timm.layers import GatherExcite as TimmGatherExcite

from mmdet_spatialattn.attention import GatherExcite

from . import slow
from .samples import perturb


def mean_gather(x, extent):
    if extent == 0:
        return np.array([[[c.sum() / c.size]] for c in x])
    channels, h, w = x.shape
    rows, columns = -(-h // extent), -(-w // extent)
    y = np.zeros((channels, rows, columns))
    for c, i, j in np.ndindex(*y.shape):
        window = [
            x[c, u, v]
            for u in range(i * extent - extent + 1, i * extent + extent)
            for v in range(j * extent - extent + 1, j * extent + extent)
            if 0 <= u < h and 0 <= v < w
        ]
        y[c, i, j] = sum(window) / len(window)
    return y


def learned_gather(x, layers):
    if layers[0].kernel_size == (7, 7):  # a whole map of 7 x 7
        assert x.shape[1:] == (7, 7)
    for layer in layers:
        if isinstance(layer, torch.nn.Conv2d):
            x = slow.conv(x, layer)
        elif isinstance(layer, torch.nn.BatchNorm2d):
            x = slow.batch_norm(x, layer)
        else:
            x = slow.relu(x)
    return x


@pytest.mark.parametrize('variant', ['theta-', 'theta', 'theta+'])
@pytest.mark.parametrize('extent', [0, 2, 4, 8])
def test_it_equals_the_loops(variant, extent):
    module = GatherExcite(4, extent, variant, reduction=2)

    def oracle(x):
        if variant == 'theta-':
            gathered = mean_gather(x, extent)
        else:
            gathered = learned_gather(x, list(module.gather))
        y = np.zeros_like(x)
        _, rows, columns = gathered.shape
        for i, j in np.ndindex(*x.shape[1:]):
            score = gathered[:, i * rows // x.shape[1], j * columns // x.shape[2]]
            if variant == 'theta+':
                hidden = slow.relu(slow.linear(score, module.mlp[0]))
                score = slow.linear(hidden, module.mlp[2])
            y[:, i, j] = x[:, i, j] * slow.sigmoid(score)
        return y

    height, width = (7, 7) if extent == 0 and variant != 'theta-' else (9, 6)
    slow.assert_equals(module, oracle, height, width)


def test_one_row_by_hand():
    x = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(1, 1, 1, 4)
    # Extent 2: windows of 3 around the first and third location, the border left out.
    gates = torch.tensor([2.0, 2.0, 5.0, 5.0]).sigmoid()
    torch.testing.assert_close(GatherExcite(1, extent=2)(x).flatten(), x.flatten() * gates)
    expected = x / (1 + math.exp(-4))
    torch.testing.assert_close(GatherExcite(1)(x), expected)


def test_stride_and_depth_follow_the_extent():
    for extent, convolutions in ((2, 1), (4, 2), (8, 3)):
        module = GatherExcite(4, extent, 'theta')
        layers = [m for m in module.gather if isinstance(m, torch.nn.Conv2d)]
        assert len(layers) == convolutions
        assert all(m.stride == (2, 2) and m.groups == 4 for m in layers)
        assert not isinstance(module.gather[-1], torch.nn.ReLU)
        assert module.gather(torch.rand(1, 4, 16, 24)).shape[2:] == (16 // extent, 24 // extent)


@pytest.mark.parametrize('extent', [0, 2, 4, 8])
@pytest.mark.parametrize('size', [(16, 24), (13, 9), (3, 5)])
def test_without_parameters_it_equals_timms(extent, size):
    x = torch.randn(2, 8, *size)
    theirs = TimmGatherExcite(8, extent=extent, use_mlp=False)
    torch.testing.assert_close(GatherExcite(8, extent)(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_timms_learned_gather_cannot_be_built():
    with pytest.raises(TypeError):
        TimmGatherExcite(8, extent=2, extra_params=True)


def test_a_spatial_map_is_published_where_there_is_one():
    from mmdet_spatialattn import capture_maps

    module = perturb(GatherExcite(8, extent=4, variant='theta')).eval()
    assert module.maps == ('channel', 'spatial') and GatherExcite(8).maps == ('channel',)
    with capture_maps(module) as captured:
        module(torch.rand(2, 8, 10, 7))
    assert captured['']['spatial'].shape == (2, 1, 10, 7)
    assert captured['']['channel'].shape == (2, 8, 1, 1)
