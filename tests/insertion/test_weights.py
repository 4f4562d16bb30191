"""Initialisation and checkpoints: what the host does to its weights does not hurt the attention."""

import copy
import logging

import pytest
import timm
import torch
from mmdet.registry import MODELS
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import load_state_dict
from torch import nn
from torchvision.models import resnet18

from mmdet_spatialattn import list_attention
from mmdet_spatialattn.insertion import insert_attention, remove_attention

from .common import FPN, RESNET18, RESNET50, build, build_plain, entry, equal, maps, randomise

IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
SE = dict(type='SE', identity_init=True)
AT_THE_IDENTITY = [record.name for record in list_attention() if record.cls.identity_at_init]


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
    type(neck).init_weights.__wrapped__(neck)
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


DETECTOR = dict(
    of='RetinaNet',
    backbone=dict(type='ResNet', depth=18, base_channels=8),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5),
    bbox_head=dict(type='RetinaHead', num_classes=3, in_channels=16, feat_channels=16),
)
IN_DETECTOR = [entry('after_conv2'), entry('output', 'NonLocal'), dict(cfg=SE, at=r'.*_convs\.1')]
HOSTS = {
    'resnet18': (RESNET18, [entry('after_conv2'), entry('after_conv1', 'GlobalContext')]),
    'resnet50': (RESNET50, [entry('after_conv3', 'BAM'), entry('stem', 'NonLocal')]),
    'fpn': (FPN, [entry('lateral', 'BAM'), entry('output', shared=True)]),
    'retinanet': (DETECTOR, IN_DETECTOR),
    'swin': (
        dict(of='SwinTransformer', embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1)),
        [entry('output')],
    ),
    'cspdarknet': (dict(of='CSPDarknet', widen_factor=0.125), [entry('output', 'SE', False)]),
}


@pytest.mark.parametrize('name', HOSTS)
def test_the_host_has_the_weights_that_it_has_without_attention(name):
    host, attention = HOSTS[name]
    torch.manual_seed(5)
    plain = MODELS.build(dict({k: v for k, v in host.items() if k != 'of'}, type=host['of']))
    plain.init_weights()
    after = torch.rand(3)
    torch.manual_seed(5)
    model = build(attention, **host)
    model.init_weights()
    assert torch.equal(torch.rand(3), after)
    weights = model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in plain.state_dict().items())
    assert len(weights) > len(plain.state_dict())


def test_parts_that_are_built_later_have_the_weights_that_they_have_without_attention():
    def detector(with_attention):
        cfg = copy.deepcopy({k: v for k, v in DETECTOR.items() if k != 'of'})
        if with_attention:
            for part, attention in (
                ('backbone', [entry('after_conv2')]),
                ('neck', [entry('output')]),
                ('bbox_head', [dict(cfg=SE, at=r'.*_convs\.1')]),
            ):
                of = cfg[part].pop('type')
                cfg[part].update(type='mmdet_spatialattn.WithAttention', of=of, attention=attention)
        torch.manual_seed(5)
        model = MODELS.build(dict(cfg, type='RetinaNet'))
        model.init_weights()
        return model.state_dict()

    plain, attentive = detector(False), detector(True)
    assert all(torch.equal(attentive[key], value) for key, value in plain.items())


def test_a_torchvision_model_built_afterwards_is_the_same():
    torch.manual_seed(5)
    first, second = resnet18(), resnet18()
    torch.manual_seed(5)
    model = resnet18()
    insert_attention(model, IN_DETECTOR[:1])
    other = resnet18()
    assert len(model.state_dict()) > len(first.state_dict())
    for record, plain in ((model, first), (other, second)):
        weights = record.state_dict()
        assert all(torch.equal(weights[key], value) for key, value in plain.state_dict().items())


def test_attention_follows_the_seed_and_differs_between_places():
    def weights(seed):
        torch.manual_seed(seed)
        model = build([entry('after_conv2', 'SE'), entry('after_conv2', 'SE')], **RESNET18)
        model.init_weights()
        return [
            value for key, value in model.state_dict().items()
            if key.endswith('spatialattn.fc1.weight')
        ]  # fmt: skip

    first = weights(0)
    assert all(torch.equal(record, other) for record, other in zip(first, weights(0)))
    everything = first + weights(1)
    assert not any(
        torch.equal(record, other)
        for i, record in enumerate(everything)
        for other in everything[:i]
        if record.shape == other.shape
    )


def test_init_weights_of_a_timm_model_passes_it_by():
    model = timm.create_model('resnet18')
    insert_attention(model, [dict(cfg=dict(type='SE'), position='after_conv2')])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.init_weights(zero_init_last=True)
    assert torch.all(model.layer1[0].bn2.weight == 0)
    for key, value in model.state_dict().items():
        if 'spatialattn' in key:
            assert torch.equal(value, before[key])
    assert not torch.equal(model.conv1.weight, before['conv1.weight'])


def test_it_is_initialised_at_once_where_nothing_else_will():
    cfg = dict(type='SE', init_cfg=dict(type='Constant', layer='Conv2d', val=0.25))
    initialised = MODELS.build(dict(type='ResNet', depth=18, base_channels=8))
    initialised.init_weights()
    for model in (resnet18(), initialised):
        insert_attention(model, [dict(cfg=cfg, position='stem')])
        module = model.maxpool.input_spatialattn
        assert torch.all(module.fc1.weight == 0.25)
        module.fc1.weight.data.fill_(0.5)
    initialised.init_weights()
    assert torch.all(module.fc1.weight == 0.5)


class Learned(BaseModule):
    """Attention of a user, whose values MMEngine's initialisers give."""

    def __init__(self, in_channels):
        super().__init__(dict(type='Constant', layer='Conv2d', val=0.125))
        self.in_channels = in_channels
        self.conv = nn.Conv2d(in_channels, in_channels, 1)

    def forward(self, x):
        return self.conv(x)


def test_modules_of_others_are_passed_by_too(tmp_path):
    cfgs = [dict(type='ContextBlock', ratio=0.25), dict(type='NonLocal2d'), dict(type=Learned)]
    model = build([dict(cfg=cfg, position='after_conv2') for cfg in cfgs], **RESNET18)
    context, non_local, learned = (
        getattr(model.layer1[0].bn2, f'{number}spatialattn') for number in ('', '2_', '3_')
    )
    mask = context.conv_mask.weight.clone()
    model.init_weights()
    assert torch.equal(context.conv_mask.weight, mask)
    assert 0.005 < non_local.theta.conv.weight.std() < 0.02
    assert torch.all(learned.conv.weight == 0.125)
    learned.conv.weight.data.fill_(1)
    model.init_weights()
    assert torch.all(learned.conv.weight == 1)
    weights = model.state_dict()
    torch.save(weights, tmp_path / 'trained.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth'))
    loaded = build(
        [dict(cfg=cfg, position='after_conv2') for cfg in cfgs], **RESNET18, init_cfg=init
    )
    loaded.init_weights()
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in weights.items())


def test_a_pretrained_host_leaves_new_attention_to_initialise_itself(tmp_path):
    torch.save(build_plain(**RESNET18).state_dict(), tmp_path / 'plain.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'plain.pth'))
    cfg = dict(type='SE', init_cfg=dict(type='Constant', layer='Conv2d', val=0.25))
    model = build([dict(cfg=cfg, position='after_conv2')], **RESNET18, init_cfg=init)
    model.init_weights()
    assert torch.all(model.layer1[0].bn2.spatialattn.fc1.weight == 0.25)


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
