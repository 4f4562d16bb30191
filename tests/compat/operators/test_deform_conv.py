"""Deformable convolutions equal plain loops; where torchvision differs, mmcv's way is taken."""

import pytest
import torch
import torch.nn.functional as F
from mmcv.ops import DeformConv2dPack, deform_conv2d, modulated_deform_conv2d

from . import reference
from .reference import gradcheck, random

# stride, padding, dilation, groups, deformable groups; kernel (2, 3) tells height from width
CASES = [
    ((1, 1), (1, 1), (1, 1), 1, 1),
    ((2, 1), (0, 2), (1, 2), 2, 1),
    ((1, 2), (2, 1), (2, 1), 1, 2),
    ((1, 1), (1, 0), (1, 1), 2, 4),
]


def case(stride, padding, dilation, groups, deform_groups, batch=2):
    """Inputs of a size that fits, float64: input, offset, mask, weight, bias."""
    x, weight = random(batch, 4, 5, 6), random(4, 4 // groups, 2, 3, seed=1)
    size = F.conv2d(x, weight, None, stride, padding, dilation, groups).shape[2:]
    offset = random(batch, deform_groups * 12, *size, seed=2)
    mask = random(batch, deform_groups * 6, *size, seed=3).sigmoid()
    return x, offset, mask, weight, random(4, seed=4)


@pytest.mark.parametrize('numbers', CASES)
def test_deform_conv_equals_the_loop(device, numbers):
    x, offset, _, weight, _ = case(*numbers)
    expected = reference.deform_conv(x, offset, weight, None, *numbers)
    for dtype, tolerance in ((torch.double, 1e-10), (torch.float, 1e-5)):
        tensors = [tensor.to(device, dtype) for tensor in (x, offset, weight)]
        y = deform_conv2d(*tensors, *numbers).cpu().double()
        torch.testing.assert_close(y, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize('numbers', CASES)
@pytest.mark.parametrize('with_bias', [True, False])
def test_modulated_deform_conv_equals_the_loop(device, numbers, with_bias):
    x, offset, mask, weight, bias = case(*numbers)
    expected = reference.deform_conv(x, offset, weight, mask, *numbers)
    if with_bias:
        expected += bias[:, None, None]
    for dtype, tolerance in ((torch.double, 1e-10), (torch.float, 1e-5)):
        tensors = [tensor.to(device, dtype) for tensor in (x, offset, mask, weight)]
        used = bias.to(device, dtype) if with_bias else None
        y = modulated_deform_conv2d(*tensors, used, *numbers).cpu().double()
        torch.testing.assert_close(y, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize('numbers', CASES)
def test_the_gradients_are_right(device, numbers):
    x, offset, mask, weight, bias = (t.to(device).requires_grad_() for t in case(*numbers, batch=1))
    assert gradcheck(lambda *t: deform_conv2d(*t, *numbers), (x, offset, weight))
    assert gradcheck(
        lambda *t: modulated_deform_conv2d(*t, *numbers), (x, offset, mask, weight, bias)
    )


def test_offsets_of_0_give_an_ordinary_convolution():
    numbers = CASES[1]
    x, offset, _, weight, _ = case(*numbers)
    y = deform_conv2d(x, torch.zeros_like(offset), weight, *numbers)
    torch.testing.assert_close(y, F.conv2d(x, weight, None, *numbers[:4]))


@pytest.mark.parametrize('modulated', [False, True])
def test_a_sample_exactly_on_the_padding_border_has_no_offset_gradient(device, modulated):
    # A 3 x 3 map of ones, one tap, padding 1, offset 0: the output is 5 x 5, and its outer ring
    # samples exactly one pixel outside the map, where moving inwards would change the output.
    x = torch.ones(1, 1, 3, 3, device=device, dtype=torch.double)
    weight = torch.ones(1, 1, 1, 1, device=device, dtype=torch.double)
    offset = torch.zeros(1, 2, 5, 5, device=device, dtype=torch.double, requires_grad=True)
    if modulated:
        mask = torch.ones(1, 1, 5, 5, device=device, dtype=torch.double)
        y = modulated_deform_conv2d(x, offset, mask, weight, None, 1, 1)
    else:
        y = deform_conv2d(x, offset, weight, 1, 1)
    y.sum().backward()
    gradient = offset.grad[0].cpu()
    ring = torch.ones(5, 5, dtype=torch.bool)
    ring[1:4, 1:4] = False
    assert not gradient[:, ring].any()
    # The last pixel within the map looks at the zeros behind it: -1, in y below and in x right.
    assert gradient[0, 1:4, 1:4].tolist() == [[0.0] * 3, [0.0] * 3, [-1.0] * 3]
    assert gradient[1, 1:4, 1:4].tolist() == [[0.0, 0.0, -1.0]] * 3


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), float('-inf'), 1e30])
@pytest.mark.parametrize('modulated', [False, True])
def test_an_offset_that_is_no_place_samples_0(device, bad, modulated):
    numbers = CASES[0]
    x, offset, mask, weight, _ = (tensor.to(device) for tensor in case(*numbers))
    offset[0, 3, 1, 2] = bad
    offset[1, 4, 0, 0] = bad
    expected = reference.deform_conv(
        x.cpu(),
        offset.cpu().nan_to_num(1e9, 1e9, -1e9),
        weight.cpu(),
        mask.cpu() if modulated else None,
        *numbers,
    )
    inputs = [
        t.requires_grad_()
        for t in ((x, offset, mask, weight) if modulated else (x, offset, weight))
    ]
    y = (
        modulated_deform_conv2d(*inputs, None, *numbers)
        if modulated
        else deform_conv2d(*inputs, *numbers)
    )
    torch.testing.assert_close(y.cpu(), expected)
    y.sum().backward()
    assert all(tensor.grad.isfinite().all() for tensor in inputs)
    assert float(offset.grad[0, 3, 1, 2]) == float(offset.grad[1, 4, 0, 0]) == 0


def test_offsets_and_masks_larger_than_the_output_are_read_flat(device):
    # DyHead gives the offsets of a map of 5 x 6 to a convolution whose output is 3 x 3.
    numbers = ((2, 2), (1, 1), (1, 1), 1, 1)
    x, _, _, weight, _ = (tensor.to(device) for tensor in case(*numbers))
    offset = random(2, 12, 5, 6, seed=5).to(device)
    mask = random(2, 6, 5, 6, seed=6).sigmoid().to(device)
    y = modulated_deform_conv2d(x, offset, mask, weight, None, *numbers)
    expected = reference.deform_conv(*(t.cpu() for t in (x, offset, weight, mask)), *numbers)
    torch.testing.assert_close(y.cpu(), expected)
    inputs = [tensor.requires_grad_() for tensor in (x, offset, mask, weight)]
    assert gradcheck(lambda *t: modulated_deform_conv2d(*t, None, *numbers), inputs)


def test_offsets_of_another_size_are_refused():
    x, offset, mask, weight, _ = case(*CASES[0])
    with pytest.raises(RuntimeError, match='offset'):
        deform_conv2d(x, torch.cat([offset, offset], dim=3), weight, *CASES[0])
    with pytest.raises(ValueError, match=r'offset of shape \(2, 12, 6, 5\) is too small'):
        modulated_deform_conv2d(x, offset[..., :-1], mask, weight, None, *CASES[0])


def test_the_weight_gradient_adds_scale_times_the_gradient(ours):
    numbers = CASES[0]
    x, offset, _, weight, _ = case(*numbers)
    parameter = weight.clone().requires_grad_()
    y = deform_conv2d(x, offset, parameter, *numbers)
    (gradient,) = torch.autograd.grad(y.sum(), parameter)
    sizes = dict(kW=3, kH=2, dW=1, dH=1, padW=1, padH=1, dilationW=1, dilationH=1)
    sizes.update(group=1, deformable_group=1, im2col_step=1)
    buffer, scratch = torch.full_like(weight, 7.0), torch.empty(0, dtype=torch.double)
    of_output = torch.ones_like(y)
    ours.deform_conv_backward_parameters(
        x, offset, of_output, buffer, scratch, scratch, scale=0.5, **sizes
    )
    torch.testing.assert_close(buffer, 7 + gradient / 2)


def test_the_step_through_the_batch_is_a_matter_of_memory_only():
    numbers = CASES[0]
    x, offset, _, weight, _ = case(*numbers, batch=4)
    outputs = [deform_conv2d(x, offset, weight, *numbers, False, step) for step in (1, 2, 32)]
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])
    with pytest.raises(AssertionError, match='divisible by im2col_step'):
        deform_conv2d(x, offset, weight, *numbers, False, 3)


def test_two_backwards_through_one_graph_give_two_gradients():
    numbers = CASES[0]
    x, offset, _, weight, _ = (t.requires_grad_() for t in case(*numbers))
    y = deform_conv2d(x, offset, weight, *numbers)
    first = torch.autograd.grad(y.sum(), weight, retain_graph=True)[0]
    second = torch.autograd.grad(3 * y.sum(), weight)[0]
    torch.testing.assert_close(second, 3 * first)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.half])
def test_deform_conv_takes_the_number_types_of_mixed_precision(dtype):
    x, offset, mask, weight, bias = (t.to(dtype).requires_grad_() for t in case(*CASES[0]))
    y = modulated_deform_conv2d(x, offset, mask, weight, bias, *CASES[0])
    assert y.dtype == dtype
    wide = (tensor.detach().float() for tensor in (x, offset, mask, weight, bias))
    expected = modulated_deform_conv2d(*wide, *CASES[0])
    torch.testing.assert_close(y.float(), expected, atol=0.1, rtol=0.02)
    y.sum().backward()
    assert weight.grad.dtype == offset.grad.dtype == dtype


def test_a_zero_initialised_layer_trains():
    torch.manual_seed(0)
    layer = DeformConv2dPack(4, 4, 3, padding=1)
    optimizer = torch.optim.SGD(layer.parameters(), 0.05)
    x, wanted = torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 6)
    losses = []
    for _ in range(20):
        loss = F.mse_loss(layer(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert layer.conv_offset.weight.grad.abs().sum() > 0
    assert losses[-1] < losses[0]
