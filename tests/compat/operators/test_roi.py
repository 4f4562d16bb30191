"""Pooling of regions equals plain loops, and its gradients the numerical ones."""

import pytest
import torch
from mmcv.ops import DeformRoIPoolPack, deform_roi_pool, roi_align, roi_pool

from . import reference
from .reference import gradcheck, random

SIZE = (2, 3)
# Batch indices out of order; fractions; over the border; outside; without area; smaller than a
# cell; inside out.
ROIS = [
    [1, 1.3, 2.1, 9.7, 8.2],
    [0, 0.0, 0.0, 4.0, 12.0],
    [1, -6.5, -3.0, 5.0, 20.0],
    [0, 40.0, 40.0, 60.0, 70.0],
    [1, 5.0, 5.0, 5.0, 5.0],
    [0, 3.2, 4.1, 3.9, 4.4],
    [1, 5.0, 6.0, 2.0, 1.0],
]


@pytest.fixture
def maps():
    return random(2, 2, 7, 6)


@pytest.fixture
def rois():
    return torch.tensor(ROIS, dtype=torch.double)


@pytest.mark.parametrize('pool', ['avg', 'max'])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [-1, 0, 2])
def test_roi_align_equals_the_loop(device, maps, rois, ratio, aligned, pool):
    for scale in (1.0, 0.5):
        expected = reference.roi_align(maps.tolist(), ROIS, SIZE, scale, ratio, aligned, pool)
        for dtype, tolerance in ((torch.double, 1e-10), (torch.float, 1e-5)):
            x, boxes = maps.to(device, dtype), rois.to(device, dtype)
            y = roi_align(x, boxes, SIZE, scale, ratio, pool, aligned).cpu().double()
            torch.testing.assert_close(y, expected, atol=tolerance, rtol=tolerance)


def test_a_sampling_ratio_of_0_equals_minus_1(maps, rois):
    adaptive = [roi_align(maps, rois, SIZE, 1.0, ratio, 'avg', True) for ratio in (0, -1)]
    assert torch.equal(*adaptive)


@pytest.mark.parametrize('pool', ['avg', 'max'])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_roi_align_has_the_right_gradient(device, maps, rois, ratio, aligned, pool):
    x, boxes = maps.to(device).requires_grad_(), rois.to(device)
    assert gradcheck(lambda x: roi_align(x, boxes, SIZE, 0.5, ratio, pool, aligned), x)


def test_the_gradient_of_roi_align_reaches_a_map_through_a_view(maps, rois):
    x = maps.requires_grad_()
    y = roi_align(x.flip(0), rois, SIZE, 1.0, 0, 'avg', True)
    y.transpose(2, 3).square().sum().backward()  # a gradient that is not contiguous
    other = maps.detach().clone().requires_grad_()
    roi_align(other.flip(0), rois, SIZE, 1.0, 0, 'avg', True).square().sum().backward()
    torch.testing.assert_close(x.grad, other.grad)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.half])
def test_roi_align_takes_the_number_types_of_mixed_precision(maps, rois, dtype):
    x = maps.to(dtype).requires_grad_()
    y = roi_align(x, rois.to(dtype), SIZE, 1.0, 2, 'avg', True)
    assert y.dtype == dtype
    wide = roi_align(x.float(), rois.to(dtype).float(), SIZE, 1.0, 2, 'avg', True)
    torch.testing.assert_close(y.float(), wide, atol=0.02, rtol=0.02)
    y.sum().backward()
    assert x.grad.dtype == dtype
    assert float(x.grad.float().sum()) > 0


@pytest.mark.parametrize('pool', ['avg', 'max'])
def test_no_region_gives_no_output_and_no_gradient(device, maps, rois, pool):
    x, none = maps.to(device).requires_grad_(), rois[:0].to(device)
    pooled = [roi_align(x, none, SIZE, 1.0, 0, pool, True), roi_pool(x, none, SIZE, 1.0)]
    pooled.append(deform_roi_pool(x, none, None, SIZE, 1.0, 0, 0.1))
    for y in pooled:
        assert y.shape == (0, 2, *SIZE)
        assert not torch.autograd.grad(y.sum(), x)[0].any()


@pytest.mark.parametrize('scale', [1.0, 0.5, 1 / 8])
def test_roi_pool_equals_the_loop(device, maps, rois, scale):
    expected = reference.roi_pool(maps.tolist(), ROIS, SIZE, scale)
    for dtype in (torch.double, torch.float):
        y = roi_pool(maps.to(device, dtype), rois.to(device, dtype), SIZE, scale)
        torch.testing.assert_close(y.cpu().double(), expected, atol=1e-6, rtol=1e-6)


def test_roi_pool_does_not_round_boxes(maps):
    # From 0.5 to (2.5 + 1) / 1: the two cells touch the columns 0-1 and 2-3. Rounded, as
    # torchvision does, the region would end at column 2.
    rois = maps.new_tensor([[0, 0.5, 0, 2.5, 0]])
    y = roi_pool(maps[:, :1], rois, (1, 2), 1.0)
    row = maps[0, 0, 0]
    assert y.flatten().tolist() == [float(row[0:2].max()), float(row[2:4].max())]


def test_roi_pool_has_the_right_gradient(device, maps, rois):
    x, boxes = maps.to(device).requires_grad_(), rois.to(device)
    assert gradcheck(lambda x: roi_pool(x, boxes, SIZE, 0.5), x)


@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('with_offset', [True, False])
def test_deform_roi_pool_equals_the_loop(device, maps, rois, ratio, with_offset):
    offset = random(len(rois), 2, *SIZE, seed=1)
    offset = offset if with_offset else None
    nested = offset.tolist() if with_offset else None
    expected = reference.roi_align(maps.tolist(), ROIS, SIZE, 0.5, ratio, True, None, nested, 0.3)
    for dtype, tolerance in ((torch.double, 1e-10), (torch.float, 1e-5)):
        moved = offset.to(device, dtype) if with_offset else None
        x, boxes = maps.to(device, dtype), rois.to(device, dtype)
        y = deform_roi_pool(x, boxes, moved, SIZE, 0.5, ratio, 0.3).cpu().double()
        torch.testing.assert_close(y, expected, atol=tolerance, rtol=tolerance)


def test_deform_roi_pool_has_the_right_gradients(device, maps, rois):
    offset = random(len(rois), 2, *SIZE, seed=1)
    x, boxes = maps.to(device).requires_grad_(), rois.to(device)
    offset = offset.to(device).requires_grad_()
    assert gradcheck(lambda x, o: deform_roi_pool(x, boxes, o, SIZE, 0.5, 2, 0.3), (x, offset))
    assert gradcheck(lambda x: deform_roi_pool(x, boxes, None, SIZE, 0.5, 0, 0.3), x)


def test_the_module_of_deform_roi_pool_starts_as_roi_align(maps, rois):
    module = DeformRoIPoolPack(SIZE, 2, 8, spatial_scale=0.5, sampling_ratio=2).double()
    expected = roi_align(maps, rois, SIZE, 0.5, 2, 'avg', True)
    torch.testing.assert_close(module(maps, rois), expected)
