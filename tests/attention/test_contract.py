"""What every registered module promises: registering a module is testing it."""

import copy
import io
import pickle
import sys

import onnxruntime
import pytest
import torch
from torch.func import functional_call

from mmdet_spatialattn import build_attention, list_attention
from mmdet_spatialattn.attention import SpatialAttention, capture_maps
from mmdet_spatialattn.errors import UserError

from .samples import ARGUMENTS, CHANNELS, build, build_trained, inputs

RECORDS = {record.name: record for record in list_attention()}
FAMILIES = ('channel', 'spatial', 'channel+spatial', 'global', 'guided', 'control')
COSTS = ('O(HW)', 'O(HW(H+W))', 'O((HW)^2)')

every_module = pytest.mark.parametrize('name', RECORDS)
in_both_modes = pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])


@every_module
@in_both_modes
@pytest.mark.parametrize('batch', [1, 2])
def test_any_size_keeps_its_shape_and_is_finite(name, training, batch):
    module = build_trained(name).train(training)
    for height, width in [(1, 1), (1, 6), (5, 1), (2, 2), (7, 10), (13, 9)]:
        x, *guide = inputs(module, batch, height, width)
        y = module(x, *guide)
        assert y.shape == x.shape and y.dtype == x.dtype
        assert y.isfinite().all(), (height, width)


@every_module
@in_both_modes
@pytest.mark.parametrize('value', [0.0, 3.0])
def test_a_constant_map_gives_finite_outputs_and_gradients(name, training, value):
    for size in [(1, 1), (4, 5)]:
        module = build(name).train(training)
        maps = [torch.full_like(x, value).requires_grad_() for x in inputs(module, 2, *size)]
        y = module(*maps)
        y.sum().backward()
        assert y.isfinite().all() and maps[0].grad.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


@every_module
def test_channels_last_changes_nothing(name):
    module = build_trained(name).eval()
    maps = inputs(module)
    expected = module(*maps)
    actual = module(*(x.contiguous(memory_format=torch.channels_last) for x in maps))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@every_module
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=str)
def test_autocast_to_bfloat16_keeps_the_type_and_the_values(name, dtype):
    module = build(name).train()
    maps = [x.requires_grad_() for x in inputs(module)]
    expected = module(*maps)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        y = module(*(x.to(dtype) for x in maps))
    assert y.dtype == dtype
    error = (y.float() - expected).norm() / expected.norm()
    assert error < 0.03
    y.float().sum().backward()
    assert maps[0].grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


@every_module
def test_float16_on_the_cpu_works_or_says_why_not(name):
    module = build(name).eval()
    maps = inputs(module)
    expected = module(*maps)
    y = module.half()(*(x.half() for x in maps))
    assert y.dtype == torch.float16
    assert (y.float() - expected).norm() / expected.norm() < 0.01


@every_module
def test_samples_do_not_mix_in_eval(name):
    module = build_trained(name).eval()
    maps = inputs(module, batch=3)
    together = module(*maps)
    alone = torch.cat([module(*(x[i : i + 1] for x in maps)) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@every_module
def test_every_parameter_gets_a_gradient(name):
    module = build_trained(name, identity_init=True).train()
    y = module(*inputs(module))
    (y * torch.randn(y.shape, generator=torch.Generator().manual_seed(3))).sum().backward()
    for key, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, key


@every_module
@pytest.mark.parametrize('identity_init', [False, True])
def test_training_can_leave_the_initial_values(name, identity_init):
    module = build(name, identity_init=identity_init).train()
    y = module(*(x.requires_grad_() for x in inputs(module)))
    (y * torch.randn(y.shape, generator=torch.Generator().manual_seed(3))).sum().backward()
    gradients = [p.grad.abs().max() for p in module.parameters()]
    assert not gradients or max(gradients) > 0


@every_module
def test_gradients_are_those_of_finite_differences(name):
    module = build_trained(name).double().train()
    maps = [x.double().requires_grad_() for x in inputs(module, 2, 4, 3)]
    shapes = {key: parameter.shape for key, parameter in module.named_parameters()}
    flat = [parameter.flatten() for parameter in module.parameters()]
    weights = torch.cat(flat).detach().requires_grad_() if flat else torch.zeros(0).double()

    def run(weights, *maps):
        parts = weights.split([shape.numel() for shape in shapes.values()])
        named = {key: part.view(shapes[key]) for key, part in zip(shapes, parts)}
        return functional_call(module, named, maps)

    assert torch.autograd.gradcheck(run, (weights, *maps), fast_mode=True)


@every_module
def test_identity_survives_the_initialisers_of_a_neck(name):
    from mmdet.models.necks import FPN

    for identity_init in (True, False):
        neck = FPN([16, 16], CHANNELS, 2)
        neck.add_module('attention', build(name, identity_init=identity_init).eval())
        maps = inputs(neck.attention)
        identical = torch.equal(neck.attention(*maps), maps[0])
        assert identical or not identity_init
        neck.init_weights()
        assert torch.equal(neck.attention(*maps), maps[0]) or not identical


@pytest.mark.parametrize('name', [n for n, r in RECORDS.items() if r.family != 'guided'])
def test_identity_survives_the_initialisers_of_a_backbone(name):
    from mmdet.models.backbones import ResNet

    cfg = dict(type=f'mmdet_spatialattn.{name}', identity_init=True, **ARGUMENTS.get(name, {}))
    resnet = dict(
        depth=50, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,), stem_channels=8,
        base_channels=CHANNELS // 4, zero_init_residual=False,
    )  # fmt: skip
    plain = ResNet(**resnet)
    plain.eval()
    attentive = ResNet(**resnet, plugins=[dict(cfg=cfg, stages=(True,), position='after_conv3')])
    attentive.eval()
    added = [m for m in attentive.modules() if type(m) is RECORDS[name].cls]
    assert len(added) == 3
    image = torch.rand(1, 3, 32, 48)
    for initialise in (lambda: None, attentive.init_weights):
        initialise()
        plain.load_state_dict(attentive.state_dict(), strict=False)
        assert torch.equal(attentive(image)[0], plain(image)[0])


@every_module
def test_alpha_of_one_is_the_paper(name):
    module = build(name, identity_init=True).eval()
    if module.identity_at_init:
        assert module.alpha is None
        return
    bare = build(name).eval()
    bare.load_state_dict({k: v for k, v in module.state_dict().items() if k != 'alpha'})
    torch.nn.init.ones_(module.alpha)
    maps = inputs(module)
    torch.testing.assert_close(module(*maps), bare(*maps), rtol=1e-5, atol=1e-6)


@every_module
def test_it_compiles_without_a_graph_break(name):
    torch._dynamo.reset()
    module = build_trained(name, identity_init=True).train()
    reference = copy.deepcopy(module)
    maps = inputs(module)
    y = torch.compile(module, fullgraph=True, backend='eager')(*maps)
    torch.testing.assert_close(y, reference(*maps))


@every_module
@pytest.mark.filterwarnings('ignore')
def test_exports_run_at_another_size(name):
    module = build_trained(name, identity_init=True).eval()
    maps = inputs(module, 2, 9, 12)
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(module, maps, dynamic_shapes=tuple(free for _ in maps))
    model = torch.onnx.export(program, dynamo=True, verbose=False).model_proto
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    names = [argument.name for argument in session.get_inputs()]
    for size in [(2, 9, 12), (1, 5, 14)]:
        maps = inputs(module, *size, seed=4)
        expected = module(*maps)
        torch.testing.assert_close(program.module()(*maps), expected, rtol=1e-5, atol=1e-5)
        (y,) = session.run(None, {n: x.numpy() for n, x in zip(names, maps)})
        torch.testing.assert_close(torch.from_numpy(y), expected, rtol=1e-4, atol=1e-4)


@every_module
def test_copies_and_saved_weights_give_the_same(name):
    module = build_trained(name, identity_init=True).eval()
    maps = inputs(module)
    expected = module(*maps)
    saved = io.BytesIO()
    torch.save(module.state_dict(), saved)
    saved.seek(0)
    loaded = build(name, identity_init=True).eval()
    loaded.load_state_dict(torch.load(saved, weights_only=True))
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), loaded):
        assert torch.equal(twin(*maps), expected)
    assert 'alpha' not in build(name).state_dict()


@every_module
def test_maps_are_published_as_declared_and_only_while_someone_listens(name):
    module = build_trained(name).eval()
    first, second = inputs(module), inputs(module, seed=5)
    expected = module(*first)
    with capture_maps(module) as captured:
        assert torch.equal(module(*first), expected)
    published = {key: value for maps in captured.values() for key, value in maps.items()}
    assert set(published) == set(module.maps)
    before = copy.deepcopy(published)
    module(*second)
    for key, value in published.items():
        assert key.startswith(('spatial', 'channel')) and not value.requires_grad
        assert value.shape == ((2, 1, 9, 12) if key.startswith('spatial') else (2, CHANNELS, 1, 1))
        assert value.isfinite().all() and torch.equal(value, before[key])


@every_module
def test_gates_are_from_0_to_1_and_far_from_both_at_the_start(name):
    module = build(name).eval()
    with capture_maps(module) as captured:
        module(*inputs(module))
    parts = dict(module.named_modules())
    for path, published in captured.items():
        for value in published.values():
            if parts[path].gates:
                assert value.min() > 0.05 and value.max() < 0.95


@every_module
def test_wrong_channels_are_named(name):
    module = build(name)
    x, *guide = inputs(module)
    with pytest.raises(UserError, match=rf'^{name}: .*\(N, 32, H, W\).*\(2, 31, 9, 12\).*in_chann'):
        module(x[:, :-1], *guide)
    with pytest.raises(UserError, match=rf'^{name}: in_channels .* got 0'):
        build_attention(name, 0)


@every_module
def test_it_is_documented_in_the_common_form(name):
    record = RECORDS[name]
    header = sys.modules[record.cls.__module__].__doc__
    positions = [header.find(f'\n{part}') for part in ('Paper:   ', 'Code:    ', 'Differs: ')]
    assert positions == sorted(positions) and positions[0] > 0
    positions = [record.cls.__doc__.find(f'    {part}') for part in ('Shape:', 'Args:', 'Example:')]
    assert positions == sorted(positions) and positions[0] > 0
    assert record.family in FAMILIES and record.cost in COSTS
    norm = record.arguments().get('norm_cfg') or {}
    told = 'norm_eval' in record.cls.__doc__ or 'norm_cfg: See' in record.cls.__doc__
    assert norm.get('type') != 'BN' or told, 'say what norm_eval does to the BatchNorm'


def test_names_of_children_in_a_host_are_distinct():
    names = [record.cls._abbr_ for record in RECORDS.values()]
    assert len(set(names)) == len(names)
    assert all(issubclass(record.cls, SpatialAttention) for record in RECORDS.values())
