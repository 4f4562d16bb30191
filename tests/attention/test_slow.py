"""The loops that oracles are made of are themselves right."""

import numpy as np
import pytest
import torch
from torch import nn

from . import slow


@pytest.mark.parametrize(
    'layer',
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 4, (1, 5), padding=(0, 4), dilation=(1, 2), groups=4),
        nn.Conv2d(4, 2, 2, stride=2, bias=False, groups=2),
    ],
)
def test_the_convolution_is_torchs(layer):
    x = torch.randn(4, 7, 6, dtype=torch.double)
    expected = layer.double()(x[None])[0].detach().numpy()
    np.testing.assert_allclose(slow.conv(x.numpy(), layer), expected, atol=1e-12)


@pytest.mark.parametrize('layer', [nn.GroupNorm(2, 6), nn.BatchNorm2d(6)])
def test_the_norms_are_torchs(layer):
    with torch.no_grad():
        for tensor in [*layer.parameters(), *layer.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    x = torch.randn(6, 3, 4, dtype=torch.double)
    expected = layer.double().eval()(x[None])[0].detach().numpy()
    norm = slow.group_norm if isinstance(layer, nn.GroupNorm) else slow.batch_norm
    np.testing.assert_allclose(norm(x.numpy(), layer), expected, atol=1e-12)


def test_the_rest_by_hand():
    np.testing.assert_allclose(slow.softmax(np.log([1.0, 3.0])), [0.25, 0.75])
    np.testing.assert_allclose(slow.sigmoid(np.log(3.0)), 0.75)
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 2.0)
    nn.init.constant_(layer.bias, -1.0)
    np.testing.assert_allclose(slow.linear(np.array([3.0, 4.0]), layer), [13.0])
