"""Initialisation and checkpoints: what the host does to its weights does not hurt the attention."""

import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner.checkpoint import load_state_dict

from mmdet_spatialattn import list_attention
from mmdet_spatialattn.insertion import insert_attention, remove_attention

from .common import FPN, RESNET18, RESNET50, build, build_plain, entry, equal, maps, randomise

IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
AT_THE_IDENTITY = [one.name for one in list_attention() if one.cls.identity_at_init]


@pytest.mark.parametrize('name', AT_THE_IDENTITY)
def test_zeros_of_a_paper_survive_the_initialisers_of_the_host(name):
    channels = dict(in_channels=[32, 32], out_channels=32, num_outs=2)
    neck = build([entry('lateral', name, False)], of='FPN', **channels)
    neck.init_weights()
    assert neck.lateral_convs[0].conv.weight.abs().sum() > 0
    x = torch.rand(2, 32, 6, 5)
    assert torch.equal(neck.lateral_convs[0].spatialattn(x), x)


def test_there_are_modules_whose_zeros_are_at_stake():
    assert {'GlobalContext', 'NonLocal', 'CapacityControl'} <= set(AT_THE_IDENTITY)


def test_without_help_the_host_overwrites_them():
    neck = build([entry('lateral', 'GlobalContext', False)], **FPN)
    del neck.__dict__['init_weights']
    neck.init_weights()
    last = neck.lateral_convs[0].spatialattn.block.channel_add_conv[3]
    assert last.weight.abs().sum() > 0


@pytest.mark.parametrize('of', ['FPN_CARAFE', 'DetectoRS_ResNet'])
def test_hosts_with_initialisers_of_their_own_leave_the_identity(of):
    position = 'lateral' if of == 'FPN_CARAFE' else 'after_conv3'
    host = dict(FPN, of=of) if of == 'FPN_CARAFE' else dict(RESNET50, of=of)
    model = build([entry(position, 'GlobalContext', False), entry(position, 'CBAM')], **host)
    model.init_weights()
    model.eval()
    x = maps(FPN['in_channels']) if of == 'FPN_CARAFE' else IMAGE
    attended = model(x)
    assert remove_attention(model) > 0
    assert equal(attended, model(x))


def test_a_second_call_of_init_weights_changes_nothing():
    model = build([entry('after_conv2')], **RESNET18)
    model.init_weights()
    randomise(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.init_weights()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_the_attention_obeys_its_own_init_cfg():
    cfg = dict(type='SE', init_cfg=dict(type='Constant', layer='Conv2d', val=0.25))
    model = build([dict(cfg=cfg, position='after_conv2')], **RESNET18)
    model.init_weights()
    assert torch.all(model.layer1[0].bn2.spatialattn.fc1.weight == 0.25)
    assert not torch.all(model.layer1[0].conv1.weight == 0.25)


def test_attention_of_a_pretrained_checkpoint_is_loaded(tmp_path):
    trained = build([entry('after_conv2'), entry('stem')], **RESNET18)
    randomise(trained)
    torch.save(trained.state_dict(), tmp_path / 'trained.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth'))
    model = build([entry('after_conv2'), entry('stem')], **RESNET18, init_cfg=init)
    model.init_weights()
    loaded, expected = model.state_dict(), trained.state_dict()
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('INFO')
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(level)


@pytest.mark.parametrize('load', [torch.nn.Module.load_state_dict, load_state_dict])
def test_a_checkpoint_of_the_plain_model_loads_and_tells_what_was_expected(log, load):
    model, plain = build([entry('after_conv2')], **RESNET18), build_plain(**RESNET18)
    load(model, plain.state_dict(), strict=True)
    assert 'expected: attention: 8 inserted modules are not in the checkpoint' in log.text
    assert 'the outputs are those of the checkpoint' in log.text
    assert equal(model(IMAGE), plain(IMAGE))


def test_attention_that_is_not_the_identity_is_said_to_change_the_outputs(log):
    model = build([entry('after_conv2', identity_init=False)], **RESNET18)
    model.load_state_dict(build_plain(**RESNET18).state_dict())
    assert '8 of them without identity_init, so the outputs change' in log.text


def test_it_loads_below_a_prefix_and_keeps_its_values(log):
    host = torch.nn.ModuleDict({'backbone': build([entry('after_conv2')], **RESNET18)})
    alpha = host['backbone'].layer1[0].bn2.spatialattn.alpha
    alpha.data.fill_(0.25)
    plain = {f'backbone.{k}': v for k, v in build_plain(**RESNET18).state_dict().items()}
    assert not host.load_state_dict(plain, strict=False).missing_keys
    assert float(alpha) == 0.25
    assert log.text.count('expected: attention') == 1


def test_anything_else_that_is_missing_stays_unexpected():
    model, plain = build([entry('after_conv2')], **RESNET18), build_plain(**RESNET18)
    weights = plain.state_dict()
    del weights['conv1.weight']
    result = model.load_state_dict(dict(weights, stranger=torch.ones(1)), strict=False)
    assert result.missing_keys == ['conv1.weight']
    assert result.unexpected_keys == ['stranger']


def test_half_of_an_attention_module_is_missing_keys():
    model = build([entry('after_conv2')], **RESNET18)
    weights = model.state_dict()
    lost = 'layer1.0.bn2.spatialattn.spatial.conv.weight'
    del weights[lost]
    assert model.load_state_dict(weights, strict=False).missing_keys == [lost]


def test_removing_restores_the_model_exactly():
    plain, model = build_plain(**FPN), build_plain(**FPN)
    attributes = {name: dict(part.__dict__) for name, part in model.named_modules()}
    insert_attention(
        model,
        [
            entry('lateral', 'LearnToPayAttention', guide='top'),
            entry('output', shared=True),
            entry('output'),
            entry('input'),
            entry('merge', 'SE'),
        ],
    )
    assert remove_attention(model) == 3 + 4 + 4 + 3 + 3
    assert list(model.state_dict()) == list(plain.state_dict())
    for name, part in model.named_modules():
        assert part.__dict__.keys() == attributes[name].keys()
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
        assert not part._load_state_dict_pre_hooks
    x = maps(FPN['in_channels'])
    assert equal(model(x), plain(x))


def test_removing_from_a_bottleneck_leaves_native_plugins():
    plugin = dict(cfg=dict(type='mmdet_spatialattn.SE'), position='after_conv2')
    model = build_plain(**RESNET50, plugins=[plugin])
    keys, x = list(model.state_dict()), IMAGE
    before = model(x)
    insert_attention(model, [entry('after_conv2'), entry('after_conv3')])
    assert remove_attention(model) == 32
    assert list(model.state_dict()) == keys
    assert model.layer1[0].after_conv2_plugin_names == ['se']
    assert equal(model(x), before)
    without = build_plain(**RESNET50)
    insert_attention(without, [entry('after_conv3')])
    remove_attention(without)
    assert not without.layer1[0].with_plugins
    assert not hasattr(without.layer1[0], 'after_conv3_plugin_names')
