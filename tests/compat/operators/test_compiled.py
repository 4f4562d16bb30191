"""Where a compiled mmcv is installed, our operators give what it gives."""

import mmcv.ops
import pytest
import torch
from mmcv import _ext

from mmdet_spatialattn.compat import operators

from . import reference
from .test_boxes import random_boxes
from .test_deform_conv import CASES, case
from .test_ms_deform_attn import attend, attention_inputs

pytestmark = pytest.mark.skipif(
    operators._is_ours(_ext), reason='no compiled mmcv is installed to compare with'
)


def random(*shape, seed=0):
    return reference.random(*shape, seed=seed).float()


def rois():
    boxes, _ = random_boxes(12)
    return torch.cat([torch.arange(12.0)[:, None].flip(0) % 2, boxes], dim=1)


def roi_align(pool, aligned, ratio):
    def run(x, rois):
        return mmcv.ops.roi_align(x, rois, (3, 4), 0.25, ratio, pool, aligned)

    return run, (random(2, 3, 20, 24), rois()), (0,)


def deform_conv(modulated, numbers, zero=False, larger=False):
    x, offset, mask, weight, bias = (tensor.float() for tensor in case(*numbers))
    if zero:
        offset.zero_()
    if larger:
        offset, mask = (torch.cat([tensor, tensor], dim=3) for tensor in (offset, mask))
    if not modulated:
        return lambda *t: mmcv.ops.deform_conv2d(*t, *numbers), (x, offset, weight), (0, 1, 2)

    def run(*tensors):
        return mmcv.ops.modulated_deform_conv2d(*tensors, *numbers)

    return run, (x, offset, mask, weight, bias), (0, 1, 2, 3, 4)


def suppression(function, rounded):
    boxes, scores = random_boxes(80)
    if rounded:  # equal scores, where the order of what is left decides
        scores = (scores * 8).round() / 8
    return function, (boxes, scores), ()


SOFT = [(method, offset) for method in ('naive', 'linear', 'gaussian') for offset in (0, 1)]
CPU = {
    'nms': suppression(lambda b, s: mmcv.ops.nms(b, s, 0.4), False),
    'nms, offset': suppression(lambda b, s: mmcv.ops.nms(b, s, 0.4, offset=1), False),
    **{
        f'soft_nms {method} {offset}, equal scores': suppression(
            lambda b, s, m=method, o=offset: mmcv.ops.soft_nms(b, s, 0.3, 0.5, 0.1, m, o), True
        )
        for method, offset in SOFT
    },
    'nms_match': suppression(
        lambda b, s: mmcv.ops.nms_match(torch.cat([b, s[:, None]], dim=1), 0.3), False
    ),
    'bbox_overlaps': suppression(lambda b, s: mmcv.ops.bbox_overlaps(b, b, 'iof', offset=1), False),
    **{
        f'roi_align {pool} {aligned} {ratio}': roi_align(pool, aligned, ratio)
        for pool in ('avg', 'max')
        for aligned in (True, False)
        for ratio in (0, 2)
    },
    **{f'deform_conv {n}': deform_conv(False, n) for n in CASES},
    'deform_conv, offsets 0': deform_conv(False, CASES[0], zero=True),
    **{f'modulated_deform_conv {n}': deform_conv(True, n) for n in CASES},
    'modulated_deform_conv, offsets 0': deform_conv(True, CASES[0], zero=True),
    'modulated_deform_conv, larger offsets': deform_conv(True, CASES[0], larger=True),
}


def focal_loss(function):
    targets = torch.tensor([0, 2, 1, 1, 2, 0])
    return lambda x, t: function(x, t, 2.0, 0.25, None, 'sum'), (random(6, 3), targets), (0,)


def attention():
    return attend, tuple(tensor.float() for tensor in attention_inputs()), (0, 1, 2)


def masked_conv():
    mask = random(1, 6, 5, seed=3) > 0
    tensors = (random(1, 3, 6, 5), mask, random(4, 3, 3, 3, seed=1), random(4, seed=2))
    return lambda *t: mmcv.ops.masked_conv2d(*t, 1), tensors, ()


def carafe(function):
    tensors = (random(2, 4, 3, 4), random(2, 50, 6, 8, seed=1))
    return lambda *t: function(*t, 5, 2, 2), tensors, (0, 1)


def roi_pool():
    return lambda x, r: mmcv.ops.roi_pool(x, r, (3, 4), 0.25), (random(2, 3, 20, 24), rois()), (0,)


def deform_roi_pool():
    def run(x, rois, offset):
        return mmcv.ops.deform_roi_pool(x, rois, offset, (3, 4), 0.25, 2, 0.1)

    # Boxes away from the border, where mmcv's gradient by the offsets is another one.
    inner = rois()
    inner[:, 1:] = inner[:, 1:] * 0.5 + 20
    return run, (random(2, 3, 20, 24), inner, random(12, 2, 3, 4, seed=1) * 0.1), (0, 2)


CUDA_ONLY = {
    'sigmoid_focal_loss': focal_loss(mmcv.ops.sigmoid_focal_loss),
    'softmax_focal_loss': focal_loss(mmcv.ops.softmax_focal_loss),
    'ms_deform_attn': attention(),
    'masked_conv': masked_conv(),
    'carafe': carafe(mmcv.ops.carafe),
    'carafe_naive': carafe(mmcv.ops.carafe_naive),
    'roi_pool': roi_pool(),
    'deform_roi_pool': deform_roi_pool(),
}


def outcome(run, tensors, differentiable, device):
    """The output, and the gradients of a fixed combination of it."""
    inputs = [
        tensor.to(device).requires_grad_(i in differentiable) for i, tensor in enumerate(tensors)
    ]
    output = run(*inputs)
    if not differentiable:
        return output
    of_output = random(*output.shape, seed=9).to(output)
    wanted = [inputs[i] for i in differentiable]
    return [output.detach(), *torch.autograd.grad(output, wanted, of_output)]


def compare(use_operators, arguments, device):
    result = outcome(*arguments, device)
    use_operators(_ext)
    expected = outcome(*arguments, device)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize('name', CPU)
def test_our_operator_equals_the_compiled_one(use_operators, device, name):
    compare(use_operators, CPU[name], device)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('name', CUDA_ONLY)
def test_our_operator_equals_the_one_compiled_for_cuda(use_operators, name):
    compare(use_operators, CUDA_ONLY[name], 'cuda')
