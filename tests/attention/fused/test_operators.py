"""The operations against PyTorch's own gradients, and as operators of PyTorch."""

from functools import partial

import pytest
import torch
from torch.library import opcheck

from mmdet_spatialattn import build_attention
from mmdet_spatialattn.attention import cbam, fused
from mmdet_spatialattn.attention.fused import operators, reference

from ..samples import build_trained, inputs, perturb
from .cases import RULES, sample

MODULES = ('BAM', 'CBAM', 'CBAMChannelGate', 'CBAMSpatialGate', 'ECA', 'EffectiveSE', 'SCSE', 'SE')
OPTIONS = [
    *((name, {}) for name in (*MODULES, 'SpatialGate')),
    ('BAM', {'combine': 'add'}),
    ('SCSE', {'combine': 'add'}),
    ('SpatialGate', {'pooling': ('max', 'mean'), 'kernel_size': 3}),
]


def leaves(*size):
    x, channel, spatial, alpha, gradient = (value.double() for value in sample(size))
    return *(leaf.requires_grad_() for leaf in (x, channel, spatial, alpha)), gradient


@pytest.fixture
def on_operators(monkeypatch):
    """Run the modules through the operators, on the CPU by the reference."""
    monkeypatch.setattr(fused, 'fuses', lambda x: True)
    monkeypatch.setattr(cbam, 'fuses', lambda x: True)


@pytest.mark.parametrize('size', [(2, 5, 3, 4), (1, 3, 1, 1)])
def test_gradients_of_statistics_are_those_of_pytorch_with_shared_maxima(size):
    x, channel, *_ = leaves(*size)
    gated = x * channel
    for actual, expected in (
        (operators.statistics_of_map(x, True)[:2], (x.mean((2, 3), True), x.amax((2, 3), True))),
        (operators.statistics_of_map(x, False)[:1], (x.mean((2, 3), True),)),
        (operators.statistics_of_channels(x, None)[:2], (x.mean(1, True), x.amax(1, True))),
        (
            operators.statistics_of_channels(x, channel)[:2],
            (gated.mean(1, True), gated.amax(1, True)),
        ),
    ):
        weights = [torch.rand_like(value) for value in expected]
        gradients = [
            torch.autograd.grad(values, (x, channel), weights, retain_graph=True, allow_unused=True)
            for values in (actual, expected)
        ]
        torch.testing.assert_close((actual, gradients[0]), (expected, gradients[1]))


@pytest.mark.parametrize('rule', RULES)
def test_gradients_of_scaling_are_those_of_pytorch(rule):
    x, channel, spatial, alpha, gradient = leaves(2, 3, 4, 5)
    pairs = [(channel, spatial)]
    if rule == 'multiply':
        pairs += [(channel, None), (None, spatial)]
    for gates in pairs:
        for blend in (alpha, None):
            wanted = [leaf for leaf in (x, *gates, blend) if leaf is not None]
            results = []
            for scale in (operators.scale, reference.scale):
                y = scale(x, *gates, rule, blend)
                results.append((y, torch.autograd.grad(y, wanted, gradient)))
            torch.testing.assert_close(*results)


def test_gradients_are_those_of_finite_differences():
    x, channel, spatial, alpha, _ = leaves(1, 3, 2, 3)
    x = torch.randn_like(x).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda x: operators.statistics_of_map(x, True)[:2], x)
    assert check(lambda *a: operators.statistics_of_channels(*a)[:2], (x, channel))
    for rule in RULES:
        scale = partial(operators.scale, rule=rule)
        assert check(
            lambda x, c, s, a, scale=scale: scale(x, c, s, alpha=a), (x, channel, spatial, alpha)
        )


def test_fake_tensors_and_registrations_fit_the_operators():
    x, channel, spatial, alpha, gradient = sample((1, 2, 3, 4))
    mean, *kept = reference.statistics_of_map(x, True)
    of_channels = reference.statistics_of_channels(x, channel)
    for operator, arguments in (
        (operators.statistics_of_map, (x, True)),
        (operators.statistics_of_map, (x, False)),
        (operators.statistics_of_map_backward, (x, *kept, mean, mean)),
        (operators.statistics_of_channels, (x, channel)),
        (
            operators.statistics_of_channels_backward,
            (x, channel, *of_channels[1:], *of_channels[:2]),
        ),
        (operators.scale, (x, channel, spatial, 'max', alpha)),
        (operators.scale_backward, (gradient, x, channel, None, 'multiply', alpha)),
    ):
        tests = ('test_schema', 'test_autograd_registration', 'test_faketensor')
        opcheck(operator, arguments, test_utils=tests)


def test_a_second_derivative_is_refused():
    x, channel, spatial, *_ = leaves(1, 2, 3, 4)
    y = operators.scale(x, channel, spatial, 'multiply', None)
    (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r'scale_backward.*no autograd formula'):
        gradient.sum().backward()


@pytest.mark.parametrize(('name', 'options'), OPTIONS)
@pytest.mark.parametrize('identity_init', [False, True])
def test_modules_give_the_same_through_the_operators(name, options, identity_init, request):
    module = build_trained(name, identity_init=identity_init, **options)
    (x,) = inputs(module)
    wanted = [x.requires_grad_(), *module.parameters()]
    gradient = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))

    def run():
        y = module(x)
        return y, torch.autograd.grad(y, wanted, gradient)

    expected = run()
    request.getfixturevalue('on_operators')
    torch.testing.assert_close(run(), expected, rtol=1e-4, atol=1e-5)


def test_the_backward_pass_keeps_the_map_and_gates_only(on_operators):
    module = build_trained('CBAM')
    (x,) = inputs(module, 2, 16, 16)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        module(x.requires_grad_())
    large = {t.untyped_storage().data_ptr() for t in kept if t.numel() >= x.numel()}
    assert large == {x.untyped_storage().data_ptr()}


def test_they_compile_without_a_graph_break(on_operators):
    torch._dynamo.reset()
    module = perturb(build_attention('CBAM', 8, reduction=2, identity_init=True)).train()
    x = torch.randn(2, 8, 4, 5, requires_grad=True)
    compiled = torch.compile(module, fullgraph=True, backend='aot_eager')
    results = []
    for run in (module, compiled):
        y = run(x)
        results.append((y, torch.autograd.grad(y.square().sum(), x)))
    torch.testing.assert_close(*results)
