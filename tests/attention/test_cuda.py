"""Every registered module on a GPU: the values of the CPU, and mixed precision."""

import pytest
import torch

from mmdet_spatialattn import list_attention

from .samples import build_trained, inputs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device'),
]
every_module = pytest.mark.parametrize('name', [record.name for record in list_attention()])


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """Let convolutions and products be as exact as on the CPU."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    monkeypatch.setattr(torch.backends.cuda.matmul, 'allow_tf32', False)


def step(name: str, device: str) -> list[torch.Tensor]:
    """Return the output, and the gradients of the maps and the parameters, on a device."""
    module = build_trained(name).to(device)
    maps = [x.to(device).requires_grad_() for x in inputs(module)]
    y = module(*maps)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3)).to(device)
    (y * weights).sum().backward()
    gradients = [tensor.grad for tensor in (*maps, *module.parameters())]
    return [y.detach().cpu(), *(g.cpu() for g in gradients if g is not None)]


@every_module
def test_values_and_gradients_are_those_of_the_cpu(name):
    expected, actual = step(name, 'cpu'), step(name, 'cuda')
    for own, other in zip(actual, expected):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-4)


@every_module
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)
def test_mixed_precision_trains(name, dtype):
    module = build_trained(name).cuda()
    maps = [x.cuda().requires_grad_() for x in inputs(module)]
    exact = module(*maps)
    with torch.autocast('cuda', dtype):
        y = module(*maps)
    assert (y - exact).abs().mean() < 0.05 * exact.abs().mean()
    y.float().sum().backward()
    assert all(x.grad.isfinite().all() for x in maps)
