"""The health of attention: every number by hand, every verdict with its reason, resumed runs."""

import json
import math

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torchvision.models import resnet18

from mmdet_spatialattn import build_attention, insert_attention, list_attention
from mmdet_spatialattn.attention import SpatialAttention
from mmdet_spatialattn.insertion.health import (
    GradientWatch,
    Health,
    ModuleHealth,
    measure_health,
    record_start,
)

from ..attention.samples import ARGUMENTS
from .common import build, entry

CBAM = dict(type='CBAM', reduction=4, identity_init=True)  # of two hidden units, both may be dead
RESNET18 = dict(of='ResNet', depth=18, base_channels=32)


class Gate(SpatialAttention):
    """A gate whose map is its parameter."""

    family = 'spatial'
    maps = ('spatial',)

    def __init__(self, in_channels, **kwargs):
        super().__init__(in_channels, **kwargs)
        self.map = nn.Parameter(torch.tensor([[0.0, 0.04], [0.5, 0.96]]))

    def attend(self, x):
        gate = nn.functional.interpolate(self.map[None, None], x.shape[2:])
        self.publish(spatial=gate.expand(len(x), -1, -1, -1))
        return x * gate


def gated(**kwargs):
    model = nn.Sequential(nn.Identity())
    insert_attention(model, [dict(cfg=dict(type=Gate, **kwargs), at='0', in_channels=3)])
    return model, model[0].spatialattn


def train(model, steps=3, lr=0.1, size=(2, 3, 64, 64)):
    watch = GradientWatch(model)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    model.train()
    for step in range(steps):
        optimiser.zero_grad()
        x = torch.randn(size, generator=torch.Generator().manual_seed(step))
        outputs = model(x)
        outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        sum(output.square().mean() for output in outputs).backward()
        optimiser.step()
        watch.settle()
    watch.close()
    return watch.missing


def test_distances_are_relative_to_the_start():
    model, gate = gated(identity_init=True)
    start = record_start(model)
    assert start.keys() == {'0.spatialattn.alpha', '0.spatialattn.map'}
    gate.map.data.mul_(1.5)
    gate.alpha.data.fill_(-0.25)
    (module,) = measure_health(model, start).modules
    assert module.distances == {'alpha': 0.25, 'map': pytest.approx(0.5)}
    assert (module.distance, module.alpha) == (pytest.approx(0.5), -0.25)
    assert module.change is module.saturated is module.deviation is None


def test_maps_and_changes_are_those_of_the_attention_itself():
    model, gate = gated(identity_init=True)
    x = torch.ones(4, 3, 2, 2)
    for alpha in (0.0, 0.5):
        gate.alpha.data.fill_(alpha)
        (module,) = measure_health(model, None, [x, 2 * x[:1]]).modules
        values = gate.map.detach().flatten()
        assert module.change == pytest.approx(float((1 - values).square().mean().sqrt()))
        assert module.saturated == 3 / 4
        assert module.deviation == pytest.approx(float(values.std()))
        assert module.distances == {}


def test_what_is_no_gate_does_not_saturate():
    shares = {}
    for record in list_attention():
        if record.guided:
            continue
        model = nn.Sequential(build_attention(record.name, 64, **ARGUMENTS.get(record.name, {})))
        (module,) = measure_health(model, None, [torch.randn(2, 64, 8, 8)]).modules
        shares[record.name] = module.saturated
    assert {name for name, share in shares.items() if share is None} == {
        'AreaAttention', 'CapacityControl', 'CrissCross', 'DoubleAttention', 'DualAttention',
        'DualChannelAttention', 'DualPositionAttention', 'GAM', 'GCT', 'GeneralizedAttention',
        'GlobalContext', 'LKA', 'LSK', 'LSKA', 'NonLocal', 'SelfAttention2d',
    }  # fmt: skip
    assert max(share for share in shares.values() if share is not None) < 0.05


def test_measuring_changes_nothing():
    model = build([entry('after_conv2'), entry('output', 'NAM')], **RESNET18, norm_eval=False)
    model.train()
    model.layer1.eval()
    modes = [module.training for module in model.modules()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.rand(2, 3, 64, 64)
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    measure_health(model, record_start(model), [x])
    assert torch.equal(torch.rand(2), expected)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.layer1[0].bn2.spatialattn.modules())


def test_attention_that_trains_is_healthy():
    model = build(
        [dict(cfg=CBAM, position='after_conv2'), entry('stem', 'CapacityControl')], **RESNET18
    )
    model.init_weights()
    start = record_start(model)
    missing = train(model, steps=4)
    health = measure_health(model, start, [torch.rand(2, 3, 64, 64)], without_gradient=missing)
    assert (health.verdict, health.reason, health.batches) == ('trained', '', 1)
    assert len(health.modules) == 9
    for module in health.modules:
        assert 0 < module.distance < 10
        assert 0 < module.change < 2


def test_a_dead_control_and_dead_attention_are_told_with_their_reason():
    """What ResNet's zero_init_residual did to attention below its last norm."""
    positions = [entry('after_conv2', 'CapacityControl'), entry('after_conv1', 'SE', False)]
    model = build(positions, **RESNET18)
    for name, parameter in model.named_parameters():
        if 'bn2.spatialattn' in name:
            parameter.data.zero_()
    start = record_start(model)
    health = measure_health(model, start, without_gradient=train(model))
    assert health.verdict == 'partly trained'
    assert health.reason == (
        'CapacityControl at layer1.0.bn2.spatialattn, layer1.1.bn2.spatialattn and 6 more: '
        'no gradient ever reached up, down.weight, which are 0 in a row and stop each other'
    )
    controls = [module for module in health.modules if module.module == 'CapacityControl']
    assert {module.verdict for module in controls} == {'never trained'}
    assert {module.distance for module in controls} == {0}
    alone = Health(tuple(controls))
    assert alone.verdict == 'never trained' and alone.reason == health.reason


def test_frozen_and_idle_attention():
    model = build([dict(cfg=CBAM, position='after_conv2')], **RESNET18, frozen_stages=1)
    start = record_start(model)
    health = measure_health(model, start, without_gradient=train(model, steps=4))
    assert health.verdict == 'partly trained'
    assert health.reason.endswith(': all its parameters are frozen')
    assert [module.verdict for module in health.modules] == ['never trained'] * 2 + ['trained'] * 6
    still = measure_health(model, record_start(model), without_gradient=train(model, lr=0.0))
    assert still.verdict == 'never trained'
    assert 'had gradients and stayed where they were' in still.reason


def test_a_bias_without_effect_is_no_illness():
    missing = ('conv.bias',)
    module = ModuleHealth('a', 'BAM', ('conv.weight', 'conv.bias'), {'conv.weight': 1.0},
                          without_gradient=missing)  # fmt: skip
    assert (module.verdict, module.reason) == ('trained', '')
    half = ModuleHealth('a', 'BAM', ('conv.weight', 'fc.weight'), without_gradient=('fc.weight',))
    assert (half.verdict, half.reason) == ('partly trained', 'no gradient ever reached fc.weight')


def test_nothing_to_train_and_nothing_at_all():
    model = resnet18()
    assert str(measure_health(model, {})) == 'no attention modules'
    insert_attention(model, [dict(cfg=dict(type='SimAM'), position='stem')])
    health = measure_health(model, {}, [torch.rand(1, 3, 32, 32)])
    assert health.verdict == 'nothing to train'
    assert health.reason == 'none of the modules has parameters'
    assert health.modules[0].change > 0


def test_what_diverged_is_told_and_written_as_json():
    model, gate = gated()
    start = record_start(model)
    gate.map.data[0, 0] = math.nan
    health = measure_health(model, start, [torch.ones(1, 3, 2, 2)])
    assert health.verdict == 'diverged'
    written = json.loads(json.dumps(health.to_dict(), allow_nan=False))
    assert written['modules'][0]['distances'] == {'map': None}
    assert written['verdict'] == 'diverged'


def test_it_prints_as_a_table():
    model, _ = gated(identity_init=True)
    lines = str(measure_health(model, record_start(model), [torch.ones(1, 3, 2, 2)])).splitlines()
    assert lines[0].split() == [
        'path', 'module', 'distance', 'alpha', 'change', 'saturated', 'deviation'
    ]  # fmt: skip
    assert lines[1].split() == ['0.spatialattn', 'Gate', '0', '0', '0.737', '0.75', '0.451']
    assert lines[2].startswith('never trained: Gate at 0.spatialattn: its parameters had gradients')


def test_shared_attention_is_measured_once_over_all_its_runs():
    neck = dict(of='FPN', in_channels=[8, 16], out_channels=16, num_outs=2)
    model = build([entry('output', 'SE', shared=True)], **neck)
    maps = (torch.rand(1, 8, 8, 8), torch.rand(1, 16, 4, 4))
    (module,) = measure_health(model, None, [(maps,)]).modules
    assert module.path == 'output0_spatialattn' and module.change > 0


def test_a_watch_lets_go_of_what_had_a_gradient():
    model, gate = gated()
    watch = GradientWatch(model)
    assert watch.missing == {'0.spatialattn.map'}
    model(torch.zeros(1, 3, 2, 2)).sum().backward()
    watch.settle()
    assert watch.missing == {'0.spatialattn.map'}  # a gradient of zeros is none
    model(torch.ones(1, 3, 2, 2)).sum().backward()
    watch.settle()
    assert watch.missing == set()
    assert not gate.map._post_accumulate_grad_hooks


# In a run of MMEngine


@MODELS.register_module()
class HealthToy(BaseModel):
    """The smallest model with attention that MMEngine trains."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.attention = build_attention('SE', 16, reduction=4, identity_init=True)

    def forward(self, x, mode='tensor'):
        y = self.attention(self.conv(x).relu())
        return dict(loss=(y - 1).square().mean()) if mode == 'loss' else [y]


class Stop(Exception):
    """Stands for a kill."""


def run(folder, epochs=3, stop_at=None, validate=True, lr=0.1, **options):
    torch.manual_seed(0)
    images = [dict(x=torch.rand(3, 8, 8)) for _ in range(8)]
    loader = dict(
        batch_size=2,
        num_workers=0,
        dataset=images,
        sampler=dict(type='DefaultSampler'),
        collate_fn=dict(type='default_collate'),
    )
    val = dict(val_dataloader=loader, val_cfg=dict(), val_evaluator=[]) if validate else {}
    runner = Runner(
        dict(type='HealthToy'),
        str(folder),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=100, val_begin=100),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=lr)),
        custom_hooks=[dict(type='mmdet_spatialattn.AttentionHealthHook')],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        experiment_name=f'{folder.name}-{epochs}-{stop_at}-{options}',
        randomness=dict(seed=0),
        log_level='ERROR',
        default_scope='mmdet',
        **val,
        **options,
    )
    start = {k: v.clone() for k, v in runner.model.state_dict().items() if 'attention' in k}
    if stop_at is not None:

        def kill(*args, **kwargs):
            if runner.iter == stop_at:
                raise Stop

        runner._hooks[0].before_train_iter = kill
    runner.train()
    return start, {k: v.detach() for k, v in runner.model.state_dict().items()}


def read(folder):
    health = json.loads((folder / 'health.json').read_text())
    (module,) = health['modules']
    return health, module


@pytest.mark.parametrize('validate', [True, False])
def test_a_run_writes_its_health(tmp_path, validate):
    start, end = run(tmp_path, validate=validate)
    health, module = read(tmp_path)
    assert health['verdict'] == 'trained' and health['batches'] == (2 if validate else 1)
    assert module['alpha'] == pytest.approx(float(end['attention.alpha'])) != 0
    first, last = start['attention.fc1.weight'], end['attention.fc1.weight']
    expected = float((last - first).norm() / first.norm())
    assert module['distances']['fc1.weight'] == pytest.approx(expected, rel=1e-5)
    assert module['without_gradient'] == []
    assert 0 < module['change'] < 1


@pytest.mark.parametrize('elsewhere', [False, True])
def test_a_resumed_run_knows_its_true_start(tmp_path, elsewhere):
    undisturbed, resumed = tmp_path / 'undisturbed', tmp_path / 'resumed'
    run(undisturbed)
    with pytest.raises(Stop):
        run(resumed, stop_at=9)
    assert not (resumed / 'health.json').exists()
    target = tmp_path / 'moved' if elsewhere else resumed
    load = str(resumed / 'epoch_2.pth') if elsewhere else None
    run(target, resume=True, load_from=load)
    _, module = read(target)
    _, expected = read(undisturbed)
    assert module['distances'] == pytest.approx(expected['distances'], rel=0.2)
    assert module['without_gradient'] == []


def test_a_run_resumed_at_its_end_still_knows_the_gradients(tmp_path):
    run(tmp_path)
    before = read(tmp_path)
    (tmp_path / 'health.json').unlink()
    run(tmp_path, resume=True)
    assert read(tmp_path)[0]['verdict'] == 'trained'
    assert read(tmp_path)[1]['distances'] == before[1]['distances']


def test_a_resumed_run_without_its_start_says_that_it_is_unknown(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, stop_at=9)
    (tmp_path / 'attention_start.pth').unlink()
    run(tmp_path, resume=True)
    health, module = read(tmp_path)
    assert module['distances'] == {} and health['verdict'] == 'trained'


def test_a_run_that_starts_anew_in_an_old_folder_records_its_own_start(tmp_path):
    run(tmp_path, lr=0.5)
    start, end = run(tmp_path, epochs=1)
    _, module = read(tmp_path)
    first, last = start['attention.fc1.weight'], end['attention.fc1.weight']
    assert module['distances']['fc1.weight'] == pytest.approx(
        float((last - first).norm() / first.norm()), rel=1e-5
    )


def test_fine_tuning_starts_from_what_it_loads(tmp_path):
    _, end = run(tmp_path / 'base', lr=0.5)
    _, tuned = run(tmp_path / 'tuned', epochs=1, load_from=str(tmp_path / 'base' / 'epoch_3.pth'))
    _, module = read(tmp_path / 'tuned')
    first, last = end['attention.fc1.weight'], tuned['attention.fc1.weight']
    assert module['distances']['fc1.weight'] == pytest.approx(
        float((last - first).norm() / first.norm()), rel=1e-4
    )


def test_a_learning_rate_of_zero_trains_nothing(tmp_path):
    run(tmp_path, lr=0.0)
    health, _ = read(tmp_path)
    assert health['verdict'] == 'never trained'
    assert 'stayed where they were' in health['reason']
