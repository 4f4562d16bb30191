"""The Triton kernels: in the interpreter everywhere, and on a GPU where there is one."""

import os
import subprocess
import sys

import pytest
import torch

from mmdet_spatialattn import build_attention
from mmdet_spatialattn.attention.fused import backend, describe, fusion, operators

from ..samples import perturb
from .cases import LAYOUTS, assert_equal_to_reference, calls, sample
from .test_operators import OPTIONS

SIZES = (
    (2, 256, 50, 84),
    (1, 64, 25, 42),
    (3, 40, 7, 9),
    (2, 8, 128, 256),
    (1, 2048, 7, 7),
    (1, 1, 1, 1),
)

on_gpu = pytest.mark.gpu
in_layouts = pytest.mark.parametrize('layout', LAYOUTS, ids=str)
pytestmark = pytest.mark.filterwarnings('error:the Triton kernels')


@pytest.fixture
def gpu(monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip('needs a CUDA device')
    monkeypatch.setenv(backend.SWITCH, '1')
    exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    with fusion(True), exact:
        assert describe() == 'Triton on CUDA, PyTorch on CPU'
        yield 'cuda'
        assert not backend._State.obstacle


def test_kernels_in_the_interpreter_equal_the_reference(repository):
    pytest.importorskip('triton')
    done = subprocess.run(
        [sys.executable, '-m', 'tests.attention.fused.interpreted'],
        cwd=repository,
        env={**os.environ, 'TRITON_INTERPRET': '1'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == '175'


@on_gpu
@in_layouts
@pytest.mark.parametrize('size', SIZES, ids=str)
def test_kernels_equal_the_reference_at_any_size(gpu, size, layout):
    with torch.no_grad():
        for name, arguments in calls(*sample(size, layout, device=gpu), rules=()):
            assert_equal_to_reference(operators, name, arguments)


@on_gpu
@in_layouts
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)
def test_kernels_equal_the_reference_in_half_precision(gpu, layout, dtype):
    with torch.no_grad():
        for name, arguments in calls(*sample(SIZES[0], layout, dtype, gpu), rules=()):
            assert_equal_to_reference(operators, name, arguments)


@on_gpu
@in_layouts
def test_every_kind_of_scaling_equals_the_reference(gpu, layout):
    with torch.no_grad():
        for name, arguments in calls(*sample(SIZES[0], layout, device=gpu)):
            assert_equal_to_reference(operators, name, arguments)


def output_and_gradients(module, x, gradient):
    y = module(x)
    return y, torch.autograd.grad(y, [x, *module.parameters()], gradient)


@on_gpu
@in_layouts
@pytest.mark.parametrize(('name', 'options'), OPTIONS)
def test_modules_equal_those_of_pytorch(gpu, name, options, layout):
    torch.manual_seed(0)
    for identity_init in (False, True):
        module = perturb(build_attention(name, 64, identity_init=identity_init, **options)).to(gpu)
        x, *_, gradient = sample((2, 64, 30, 41), layout, device=gpu)
        fused = output_and_gradients(module, x.requires_grad_(), gradient)
        with fusion(False):
            expected = output_and_gradients(module.double(), x.double(), gradient.double())
        assert fused[0].stride() == x.stride()
        assert relative_error(fused[0], expected[0]) < 1e-5
        largest = max(gradient.norm() for gradient in expected[1])
        for actual, other in zip(fused[1], expected[1]):  # a bias before a norm has gradient 0
            assert (actual - other).norm() / other.norm().clamp_min(largest / 100) < 1e-4


def relative_error(actual, expected):
    return (actual - expected).norm() / expected.norm()


@on_gpu
def test_results_repeat_to_the_bit(gpu):
    with torch.no_grad():
        for name, arguments in calls(*sample(SIZES[0], device=gpu), rules=()):
            first, second = (getattr(operators, name)(*arguments) for _ in range(2))
            torch.testing.assert_close(first, second, rtol=0, atol=0)


@on_gpu
def test_identity_at_the_start_is_exact(gpu):
    x, *_ = sample((2, 64, 30, 41), device=gpu)
    for name, options in OPTIONS:
        module = build_attention(name, 64, identity_init=True, **options).to(gpu)
        assert torch.equal(module(x), x), name


@on_gpu
def test_the_backward_pass_keeps_the_map_and_gates_only(gpu):
    module = build_attention('CBAM', 256).to(gpu)
    x, *_ = sample((2, 256, 100, 168), device=gpu)
    module(x.requires_grad_())
    before = torch.cuda.memory_allocated()
    y = module(x)
    assert torch.cuda.memory_allocated() - before < 1.1 * y.nbytes


@on_gpu
def test_they_compile_and_run_under_autocast(gpu):
    torch._dynamo.reset()
    module = perturb(build_attention('CBAM', 64, identity_init=True)).to(gpu)
    x, *_ = sample((2, 64, 30, 41), device=gpu)
    compiled = torch.compile(module, fullgraph=True)
    y = module(x.requires_grad_())
    torch.testing.assert_close(compiled(x), y, rtol=1e-4, atol=1e-4)
    (expected,) = torch.autograd.grad(y, x, x.detach().cos())
    (actual,) = torch.autograd.grad(compiled(x), x, x.detach().cos())
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast('cuda', dtype=dtype):
            half = module(x)
        assert half.dtype == x.dtype and relative_error(half, y) < 0.03
        half.sum().backward()


@on_gpu
def test_maps_of_any_strides_are_taken(gpu):
    module = build_attention('SCSE', 64).to(gpu)
    x = torch.randn(41, 64, 2, 30, device=gpu).permute(2, 1, 3, 0).requires_grad_()
    y = module(x)
    y.sum().backward()
    with fusion(False):
        torch.testing.assert_close(y, module(x), rtol=1e-5, atol=1e-5)
