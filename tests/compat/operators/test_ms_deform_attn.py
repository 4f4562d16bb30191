"""Multi-scale deformable attention equals a plain loop."""

import torch
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

from . import reference
from .reference import gradcheck, random

SHAPES = [(4, 5), (2, 3)]


def attention_inputs(points=2):
    keys = sum(h * w for h, w in SHAPES)
    value = random(2, keys, 2, 3)
    locations = random(2, 4, 2, 2, points, 2, seed=1) * 0.4 + 0.5  # some outside
    weights = random(2, 4, 2, 2, points, seed=2).flatten(3).softmax(-1).view(2, 4, 2, 2, points)
    return value, locations, weights


def attend(value, locations, weights):
    shapes = torch.tensor(SHAPES, device=value.device)
    start = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
    return MultiScaleDeformableAttnFunction.apply(value, shapes, start, locations, weights, 64)


def test_ms_deform_attn_equals_the_loop(device):
    inputs = attention_inputs()
    expected = reference.ms_deform_attn(inputs[0], SHAPES, *inputs[1:])
    for dtype in (torch.double, torch.float):
        y = attend(*(tensor.to(device, dtype) for tensor in inputs))
        torch.testing.assert_close(y.cpu().double(), expected, atol=1e-5, rtol=1e-5)


def test_ms_deform_attn_has_the_right_gradients(device):
    inputs = [tensor.to(device).requires_grad_() for tensor in attention_inputs(points=1)]
    assert gradcheck(attend, inputs)


def test_ms_deform_attn_takes_the_flat_side_one_pixel_outside_the_map():
    value, locations, weights = attention_inputs()
    # x * W - 0.5 = -1 and y * H - 0.5 = -1 on the first level, of 4 x 5 pixels
    locations[0, 0, 0, 0, 0] = torch.tensor([-0.1, 0.4])
    locations[0, 1, 0, 0, 0] = torch.tensor([0.4, -0.125])
    locations.requires_grad_()
    attend(value, locations, weights).sum().backward()
    assert not locations.grad[0, :2, 0, 0, 0].any()
    assert locations.grad[0, :2, 0, 1].any()
