"""A masked convolution equals the convolution where its mask is set."""

import pytest
import torch
import torch.nn.functional as F
from mmcv.ops import MaskedConv2d, masked_conv2d

from .reference import random


@pytest.mark.parametrize('kernel', [1, 3])
def test_masked_conv_equals_the_convolution_where_the_mask_is_set(device, kernel):
    x, weight, bias = random(1, 3, 6, 5), random(4, 3, kernel, kernel, seed=1), random(4, seed=2)
    mask = random(1, 6, 5, seed=3) > 0
    expected = F.conv2d(x, weight, bias, padding=kernel // 2) * mask
    tensors = (tensor.to(device) for tensor in (x, mask, weight, bias))
    y = masked_conv2d(*tensors, kernel // 2)
    torch.testing.assert_close(y.cpu(), expected)


def test_masked_conv_with_an_empty_mask_is_0():
    layer = MaskedConv2d(3, 4, 3, padding=1)
    assert not layer(torch.rand(1, 3, 6, 5), torch.zeros(1, 6, 5)).any()
