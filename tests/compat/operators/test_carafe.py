"""CARAFE equals a plain loop, in both of its variants."""

import pytest
import torch
from mmcv.ops import CARAFEPack, carafe, carafe_naive

from . import reference
from .reference import gradcheck, random

CASES = [(3, 1, 2), (5, 2, 2), (3, 4, 3), (1, 1, 1)]  # kernel, groups, scale


@pytest.mark.parametrize(('kernel', 'groups', 'scale'), CASES)
@pytest.mark.parametrize('operator', [carafe, carafe_naive])
def test_carafe_equals_the_loop(device, operator, kernel, groups, scale):
    features = random(2, 4, 3, 4)
    masks = random(2, kernel * kernel * groups, 3 * scale, 4 * scale, seed=1)
    expected = reference.carafe(features, masks, kernel, groups, scale)
    for dtype in (torch.double, torch.float):
        y = operator(features.to(device, dtype), masks.to(device, dtype), kernel, groups, scale)
        torch.testing.assert_close(y.cpu().double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(('kernel', 'groups', 'scale'), CASES[:2])
@pytest.mark.parametrize('operator', [carafe, carafe_naive])
def test_carafe_has_the_right_gradients(device, operator, kernel, groups, scale):
    if operator is carafe_naive and device == 'cpu':
        pytest.skip('mmcv asserts CUDA in the backward of carafe_naive')
    features = random(1, 4, 2, 3).to(device).requires_grad_()
    masks = random(1, kernel * kernel * groups, 2 * scale, 3 * scale, seed=1).to(device)
    masks.requires_grad_()
    assert gradcheck(lambda *t: operator(*t, kernel, groups, scale), (features, masks))


def test_carafe_naive_gives_the_gradients_of_carafe(ours):
    features, masks = random(1, 4, 2, 3), random(1, 18, 4, 6, seed=1)
    leaves = features.clone().requires_grad_(), masks.clone().requires_grad_()
    y = carafe(*leaves, 3, 2, 2)
    of_output = random(*y.shape, seed=2)
    expected = torch.autograd.grad(y, leaves, of_output)
    buffers = torch.zeros_like(features), torch.zeros_like(masks)
    ours.carafe_naive_backward(
        of_output, features, masks, *buffers, kernel_size=3, group_size=2, scale_factor=2
    )
    torch.testing.assert_close(buffers, expected)


def test_carafe_hands_the_features_on_with_the_channels_last(ours):
    features, masks = random(2, 4, 3, 5), random(2, 9, 6, 10, seed=1)
    kept, scratch = torch.zeros_like(features), torch.zeros(0, dtype=torch.double)
    output = torch.zeros(2, 4, 6, 10, dtype=torch.double)
    ours.carafe_forward(
        features, masks, kept, scratch, scratch, output, kernel_size=3, group_size=1, scale_factor=2
    )
    assert torch.equal(kept, features.permute(0, 2, 3, 1))


def test_the_module_of_carafe_upsamples():
    y = CARAFEPack(8, 2, compressed_channels=4)(torch.rand(1, 8, 3, 5))
    assert y.shape == (1, 8, 6, 10)
