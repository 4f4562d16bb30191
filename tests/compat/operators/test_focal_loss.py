"""Focal losses equal their formula, and their gradients the numerical ones."""

import pytest
import torch
from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss

from . import reference
from .reference import gradcheck, random

FOCAL = [
    (sigmoid_focal_loss, reference.sigmoid_focal_loss),
    (softmax_focal_loss, reference.softmax_focal_loss),
]


@pytest.mark.parametrize(('loss', 'loop'), FOCAL)
@pytest.mark.parametrize('gamma', [0.0, 0.5, 2.0])
@pytest.mark.parametrize('weighted', [True, False])
def test_focal_loss_equals_the_formula(device, loss, loop, gamma, weighted):
    logits, targets = random(6, 3) * 3, torch.tensor([0, 2, 1, 3, 2, 0])  # 3 is the background
    weights = torch.tensor([0.5, 2.0, 3.0], dtype=torch.double) if weighted else None
    expected = loop(logits, targets, gamma, 0.25, weights)
    for dtype in (torch.double, torch.float):
        used = weights.to(device, dtype) if weighted else None
        x = logits.to(device, dtype)
        y = loss(x, targets.to(device), gamma, 0.25, used, 'none')
        torch.testing.assert_close(y.cpu().double(), expected, atol=1e-5, rtol=1e-5)
        mean = loss(x, targets.to(device), gamma, 0.25, used, 'mean')
        assert float(mean) == pytest.approx(float(expected.sum()) / 6, rel=1e-5)


@pytest.mark.parametrize(('loss', 'loop'), FOCAL)
@pytest.mark.parametrize('gamma', [0.0, 2.0])
@pytest.mark.parametrize('weighted', [True, False])
def test_focal_loss_has_the_right_gradient(device, loss, loop, gamma, weighted):
    logits = random(6, 3).to(device).requires_grad_()
    targets = torch.tensor([0, 2, 1, 3, 2, 0], device=device)
    weights = torch.tensor([0.5, 2.0, 3.0], dtype=torch.double, device=device)
    used = weights if weighted else None
    assert gradcheck(lambda x: loss(x, targets, gamma, 0.25, used, 'sum'), logits)


@pytest.mark.parametrize(('loss', 'loop'), FOCAL)
def test_focal_loss_is_finite_for_certain_predictions(loss, loop):
    logits = torch.tensor([[200.0, -200], [-200, 200]], requires_grad=True)
    for gamma in (0.0, 0.5, 2.0):
        total = loss(logits, torch.tensor([0, 0]), gamma, 0.25, None, 'sum')
        (gradient,) = torch.autograd.grad(total, logits)
        assert total.isfinite()
        assert gradient.isfinite().all()


def test_focal_loss_of_no_rows_is_empty():
    none = torch.empty(0, dtype=torch.long)
    assert sigmoid_focal_loss(torch.empty(0, 3), none, 2.0, 0.25, None, 'none').shape == (0, 3)
