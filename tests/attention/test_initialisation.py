"""No initialiser of a host reaches attention, and attention shifts no random number of the host."""

import copy
import pickle

import pytest
import torch
from mmengine.model import BaseModule, ModuleDict, Sequential
from torch import nn

from mmdet_spatialattn import build_attention, list_attention
from mmdet_spatialattn.attention.initialisation import own_random_stream

from .samples import ARGUMENTS, CHANNELS, build

SWEEPS = {
    'kaiming': dict(type='Kaiming', layer='Conv2d'),
    'xavier': dict(type='Xavier', layer=['Conv2d', 'Linear'], distribution='uniform'),
    'normal': dict(type='Normal', layer='Conv2d', std=0.01, bias=3.0),
    'truncated normal': dict(type='TruncNormal', layer='Conv2d', std=0.02),
    'uniform': dict(type='Uniform', layer='Conv2d', a=-2, b=2),
    'norms': dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=5),
    'override': dict(
        type='Kaiming', layer='Conv2d', override=dict(type='Constant', val=0, bias=0, name='norm')
    ),
    'two overrides': dict(
        type='Normal',
        std=9.0,
        layer='Conv2d',
        override=[dict(name='norm'), dict(type='Xavier', name='conv', bias=7.0)],
    ),
}


class Host(BaseModule):
    """A convolution and a norm, with attention below the norm, where MMEngine's walk ends."""

    def __init__(self, name='CBAM', init_cfg=None):
        super().__init__(init_cfg)
        self.conv = nn.Conv2d(3, CHANNELS, 3)
        self.norm = nn.BatchNorm2d(CHANNELS)
        if name:
            self.norm.add_module('attention', build(name))

    def forward(self, x):
        x = self.norm(self.conv(x))
        return self.norm.attention(x) if hasattr(self.norm, 'attention') else x


def sweep(model):
    """Do what hand-written ``init_weights`` methods do."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                module.bias.data.zero_()
    for parameter in model.parameters():
        nn.init.uniform_(parameter)
    model.apply(lambda module: hasattr(module, 'weight') and module.weight.data.fill_(9))


class SweepsBefore(Host):
    def init_weights(self):
        sweep(self)
        super().init_weights()


class SweepsAfter(Host):
    def init_weights(self):
        super().init_weights()
        sweep(self)


class SweepsAlone(Host):
    def init_weights(self):
        sweep(self)


class SweepsChildren(BaseModule):
    """A detector that initialises its backbone again after the backbone has initialised itself."""

    def __init__(self, backbone):
        super().__init__()
        self.parts = nn.ModuleDict({'backbone': backbone})
        self.head = Sequential(nn.Conv2d(CHANNELS, 2, 1), init_cfg=SWEEPS['normal'])

    def init_weights(self):
        super().init_weights()
        self.parts['backbone'].init_weights()
        sweep(self)


def attention_of(model):
    return next(m for n, m in model.named_modules() if n.endswith('attention'))


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def random_weights(module):
    return {key: torch.rand(v.shape).to(v.dtype) for key, v in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def check_left_alone(model):
    module = attention_of(model)
    before, parameters = state(module), list(module.parameters())
    model.init_weights()
    assert same(state(module), before)
    assert attention_of(model) is module
    assert all(p is q for p, q in zip(parameters, module.parameters()))
    assert not hasattr(module, '_params_init_info')


@pytest.mark.parametrize('sweep', SWEEPS.values(), ids=SWEEPS)
def test_initialisers_of_mmengine_pass_it_by(sweep):
    torch.manual_seed(1)
    host = Host(init_cfg=sweep)
    conv = host.conv.weight.clone()
    check_left_alone(host)
    assert torch.equal(host.conv.weight, conv) == ('Conv2d' not in sweep['layer'])
    check_left_alone(ModuleDict({'backbone': Host()}, init_cfg=sweep | dict(override=[])))


@pytest.mark.parametrize('cls', [SweepsBefore, SweepsAfter, SweepsAlone])
def test_initialisers_of_the_host_itself_pass_it_by(cls):
    check_left_alone(cls())
    check_left_alone(SweepsChildren(cls()))
    check_left_alone(nn.ModuleDict({'a': nn.ModuleList([SweepsChildren(cls())])})['a'][0])


def test_the_hosts_of_a_host_are_guarded_however_it_is_added():
    one, two, three = nn.Module(), SweepsAlone(None), SweepsAlone(None)
    one.inner = Host()
    two.add_module('inner', one)
    three.stages = nn.Sequential(nn.Identity(), two)
    check_left_alone(three)
    assert torch.all(three.conv.weight == 9)


def test_a_second_call_leaves_the_trained_values():
    for model in (Host(init_cfg=SWEEPS['kaiming']), SweepsChildren(SweepsAlone())):
        model.init_weights()
        for parameter in model.parameters():
            parameter.data.add_(1)
        check_left_alone(model)
        attention_of(model).init_weights()
        check_left_alone(model)


def test_the_host_is_whole_again_after_an_error():
    class Fails(Host):
        def init_weights(self):
            raise RuntimeError('no such file')

    model = Fails()
    module = attention_of(model)
    with pytest.raises(RuntimeError, match='no such file'):
        model.init_weights()
    assert model.norm.attention is module


def test_copies_are_guarded_too():
    for copied in (copy.deepcopy(SweepsAlone()), pickle.loads(pickle.dumps(SweepsAlone()))):
        check_left_alone(SweepsChildren(copied))
        check_left_alone(copied)


def test_it_initialises_itself_once_with_its_own_config():
    cfg = dict(type='Constant', layer='Conv2d', val=0.25)
    host = Host(None, init_cfg=SWEEPS['kaiming'])
    host.norm.attention = build('SE', init_cfg=cfg)
    host.init_weights()
    assert torch.all(host.norm.attention.fc1.weight == 0.25)
    host.norm.attention.fc1.weight.data.fill_(0.5)
    host.init_weights()
    host.norm.attention.init_weights()
    assert torch.all(host.norm.attention.fc1.weight == 0.5)


@pytest.fixture
def trained(tmp_path):
    """Random weights of a host with attention, and a checkpoint of them."""
    weights = random_weights(Host())
    torch.save(weights, tmp_path / 'trained.pth')
    return weights, dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth'))


def test_attention_of_a_pretrained_checkpoint_is_loaded(trained):
    weights, pretrained = trained
    for init_cfg in (pretrained, [SWEEPS['kaiming'], pretrained]):
        model = Host(init_cfg=init_cfg)
        model.init_weights()
        assert same(model.state_dict(), weights)
    parent = nn.ModuleDict({'backbone': Host()})
    outer = Sequential(parent, init_cfg=dict(pretrained, prefix=None))
    outer[0]['backbone'].load_state_dict(weights)
    outer.init_weights()
    assert same(outer[0]['backbone'].norm.attention.state_dict(), {
        key.replace('norm.attention.', ''): value
        for key, value in weights.items() if 'attention' in key
    })  # fmt: skip


def test_a_checkpoint_that_does_not_fit_is_reported_as_usual(trained, caplog):
    weights, pretrained = trained
    del weights['norm.attention.spatial.conv.weight']
    weights['norm.attention.channel.mlp.0.weight'] = torch.zeros(1)
    weights['norm.attention.stranger'] = torch.zeros(1)
    torch.save(weights, pretrained['checkpoint'])
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        Host(init_cfg=pretrained).init_weights()
    finally:
        logger.removeHandler(caplog.handler)
    assert 'size mismatch for channel.mlp.0.weight' in caplog.text


def test_its_own_pretrained_weights_stay():
    module = build('CBAM', identity_init=True)
    weights = random_weights(module)
    host = Host(None, init_cfg=SWEEPS['kaiming'])
    host.norm.attention = module
    host.norm.attention.load_state_dict(weights)
    check_left_alone(host)
    assert same(module.state_dict(), weights)


def test_a_pretrained_init_cfg_of_the_attention_stays(tmp_path):
    weights = random_weights(build('GlobalContext', identity_init=True))
    torch.save(weights, tmp_path / 'attention.pth')
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'attention.pth'))
    host = Host(None, init_cfg=SWEEPS['kaiming'])
    host.norm.attention = build('GlobalContext', identity_init=True, init_cfg=cfg)
    host.init_weights()
    assert same(host.norm.attention.state_dict(), weights)


@pytest.mark.parametrize('sweep', SWEEPS.values(), ids=SWEEPS)
def test_a_host_draws_the_same_numbers_with_and_without(sweep):
    values = []
    for name in (None, 'CBAM', 'GlobalContext'):
        host = Host(name, init_cfg=sweep)
        host.conv.weight.data.fill_(1)
        torch.manual_seed(3)
        host.init_weights()
        values.append((host.conv.weight.clone(), torch.rand(3)))
    assert all(torch.equal(a, b) for other in values[1:] for a, b in zip(values[0], other))


def test_a_stream_of_its_own_follows_the_seed_and_the_name():
    def draw(seed, name):
        torch.manual_seed(seed)
        with own_random_stream(name):
            drawn = torch.rand(4), torch.randn(4)
        return torch.cat(drawn), torch.rand(4)

    first, after = draw(0, 'a')
    assert torch.equal(first, draw(0, 'a')[0]) and torch.equal(after, draw(0, 'b')[1])
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(4))
    others = [draw(1, 'a')[0], draw(0, 'b')[0], after]
    assert not any(torch.equal(first[:4], other[:4]) for other in others)


@pytest.mark.parametrize('name', [record.name for record in list_attention()])
def test_what_it_gives_itself_is_distributed_as_what_it_is_built_with(name):
    def sample(initialise):
        modules = []
        for seed in range(8):
            torch.manual_seed(seed + 100 * initialise)
            modules.append(fresh(name))
            if initialise:
                modules[-1].init_weights()
        return modules

    built, initialised = sample(False), sample(True)
    for key, _ in built[0].named_parameters():
        assert alike(values(built, key), values(initialised, key)), key


def fresh(name):
    return build_attention(name, CHANNELS, **ARGUMENTS.get(name, {}))


def values(modules, key):
    return torch.stack([module.get_parameter(key).detach() for module in modules]).double()


def alike(one, other):
    """Return whether the moments of two samples agree within five standard errors."""
    deviation, error = float(one.std()), 5 * (2 / one.numel()) ** 0.5
    if deviation == 0:
        return torch.equal(one, other)
    return (
        abs(float(one.mean() - other.mean())) <= error * deviation
        and abs(float(other.std()) / deviation - 1) <= error
    )
