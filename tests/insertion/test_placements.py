"""Where each placement is: the effect of doubling there, computed by hand from the host's parts."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.layers import ResLayer
from mmdet.registry import MODELS

from mmdet_spatialattn.insertion import insert_attention

from .common import (
    FPN,
    RESNET18,
    RESNET50,
    Double,
    build,
    close,
    double,
    entry,
    equal,
    maps,
    modules_by_position,
    randomise,
    same_weights,
)

IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def basic_block(block, x, after_conv1=1, after_conv2=1, after_add=1):
    """MMDetection's BasicBlock by hand, with a factor at each placement."""
    out = F.relu(block.bn1(block.conv1(x))) * after_conv1
    out = block.bn2(block.conv2(out)) * after_conv2
    return F.relu(out + (x if block.downsample is None else block.downsample(x))) * after_add


def bottleneck(block, x, after_conv1=1, after_conv2=1, after_conv3=1, after_add=1):
    """MMDetection's Bottleneck by hand, with a factor at each placement."""
    out = F.relu(block.bn1(block.conv1(x))) * after_conv1
    out = F.relu(block.bn2(block.conv2(out))) * after_conv2
    out = block.bn3(block.conv3(out)) * after_conv3
    return F.relu(out + (x if block.downsample is None else block.downsample(x))) * after_add


def resnet(model, x, by_hand, stem=1, before_stage=1, after_stage=1, output=1, **in_block):
    """A ResNet by hand; the factors hold at the stem and in stage 2."""
    x = F.relu(model.bn1(model.conv1(x))) * stem
    x = model.maxpool(x)
    outs = []
    for name in model.res_layers:
        second = name == 'layer2'
        x = x * (before_stage if second else 1)
        for block in getattr(model, name):
            x = by_hand(block, x, **(in_block if second else {}))
        x = x * (after_stage if second else 1)
        outs.append(x * (output if second else 1))
    return outs


IN_BOTH = (
    'after_conv1',
    'after_conv2',
    'after_add',
    'before_stage',
    'after_stage',
    'stem',
    'output',
)


@pytest.mark.parametrize(
    ('by_hand', 'position'),
    [(basic_block, p) for p in IN_BOTH] + [(bottleneck, p) for p in (*IN_BOTH, 'after_conv3')],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_placement_in_a_resnet_is_where_its_name_says(by_hand, position):
    host = RESNET18 if by_hand is basic_block else RESNET50
    choice = dict(stages=(False, True, False, False)) if '_' in position else {}
    choice = dict(levels=(1,)) if position == 'output' else choice
    model, plain = same_weights([double(position=position, **choice)], **host)
    assert close(model(IMAGE), resnet(plain, IMAGE, by_hand, **{position: 2}))


def test_blocks_choose_within_each_stage():
    chosen = {'all': 8, 'last': 4, (0,): 4, (-1,): 4, (True, False): 4}
    for blocks, count in chosen.items():
        model = build([entry('after_add', blocks=blocks)], **RESNET18)
        assert len(modules_by_position(model)['after_add']) == count
    model = build([entry('after_add', blocks='last')], **RESNET18)
    paths = [p for p, m in model.named_modules() if type(m).__name__ == 'CBAM']
    assert paths == [f'layer{i}.1.spatialattn' for i in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ('host', 'position'),
    [
        (RESNET50, 'after_conv1'),
        (RESNET50, 'after_conv2'),
        (RESNET50, 'after_conv3'),
        (dict(of='ResNeXt', depth=50, groups=4, base_width=8, base_channels=8), 'after_conv2'),
        (dict(of='ResNeSt', depth=50, base_channels=8), 'after_conv2'),
        # before that, MMDetection builds a Res2Net's plugins for the wrong number of channels
        (dict(of='Res2Net', depth=50, base_channels=16), 'after_conv3'),
    ],
    ids=lambda value: value if isinstance(value, str) else value['of'],
)
def test_it_gives_the_numbers_of_the_native_plugin(host, position):
    plugin = dict(
        cfg=dict(type='mmdet_spatialattn.CBAM', reduction=4),
        stages=(False, True, True, False),
        position=position,
    )
    kwargs = {key: value for key, value in host.items() if key != 'of'}
    native = MODELS.build(dict(type=host['of'], plugins=[plugin], **kwargs))
    randomise(native)
    model = build([plugin], **host)
    token = position.replace('after_', '') + '_spatialattn'
    weights = {k.replace('.cbam.', f'.{token}.'): v for k, v in native.state_dict().items()}
    model.load_state_dict(weights, strict=True)
    for mode in (True, False):
        model.train(mode)
        native.train(mode)
        assert equal(model(IMAGE), native(IMAGE))


def fpn(neck, inputs, input=1, lateral=1, merge=1, output=1):
    """A three-level FPN with one pooled level by hand; the factors hold at level 1."""
    at = lambda factor, level: factor if level == 1 else 1  # noqa: E731
    inputs = [x * at(input, i) for i, x in enumerate(inputs)]
    laterals = [
        conv(x) * at(lateral, i) for i, (conv, x) in enumerate(zip(neck.lateral_convs, inputs))
    ]
    for i in (2, 1):
        laterals[i - 1] = laterals[i - 1] + F.interpolate(laterals[i], scale_factor=2)
    outs = [conv(x * at(merge, i)) for i, (conv, x) in enumerate(zip(neck.fpn_convs, laterals))]
    outs.append(F.max_pool2d(outs[-1], 1, stride=2))
    return [out * at(output, i) for i, out in enumerate(outs)]


@pytest.mark.parametrize('position', ['input', 'lateral', 'merge', 'output'])
def test_a_placement_in_an_fpn_is_where_its_name_says(position):
    neck, plain = same_weights([double(position=position, levels=(1,))], **FPN)
    x = maps(FPN['in_channels'])
    assert close(neck(x), fpn(plain, x, **{position: 2}))


def test_the_pooled_level_of_an_fpn_has_its_own_output():
    neck, plain = same_weights([double(position='output', levels=(3,))], **FPN)
    x = maps(FPN['in_channels'])
    expected = list(plain(x))
    expected[3] = expected[3] * 2
    assert equal(neck(x), expected)


def test_laterals_of_a_csp_pyramid_are_numbered_by_level():
    host = dict(of='CSPNeXtPAFPN', in_channels=[8, 16, 32], out_channels=12, num_csp_blocks=1)
    neck = build([entry('lateral', levels=(2,))], **host)
    assert neck.reduce_layers[0].conv.in_channels == 32  # the first one reads the top level
    assert hasattr(neck.reduce_layers[0], 'spatialattn')
    assert not hasattr(neck.reduce_layers[1], 'spatialattn')


def test_a_pattern_reaches_any_module_before_and_after():
    after, plain = same_weights([double(at=r'layer[12]\.0\.conv1')], **RESNET18)
    block = plain.layer1[0]
    x = torch.rand(1, 8, 8, 8)
    by_hand = F.relu(block.bn1(block.conv1(x) * 2))
    by_hand = F.relu(block.bn2(block.conv2(by_hand)) + x)
    assert close([after.layer1[0](x)], [by_hand])
    assert equal([after.layer3[0](after.layer2[1](after.layer2[0](x)))],
                 [plain.layer3[0](plain.layer2[1](after.layer2[0](x)))])  # fmt: skip
    before, _ = same_weights([double(at=r'layer[12]\.0\.conv1', before=True)], **RESNET18)
    assert close([before.layer1[0](x)], [by_hand])


def test_a_stage_named_by_a_pattern_is_attended_at_its_ends():
    both = [double(at='layer2'), double(at='layer2', before=True)]
    model, plain = same_weights(both, **RESNET18)
    x = torch.rand(1, 8, 8, 8)
    assert close([model.layer2(x)], [plain.layer2(2 * x) * 2])
    assert isinstance(plain.layer2, ResLayer)
    assert len(model.layer2) == len(plain.layer2) == 2


class AddOne(Double):
    def forward(self, x):
        return x + 1


def test_two_entries_at_one_place_stack_in_the_order_written():
    plus = dict(cfg=dict(type=AddOne), position='output', levels=(0,))
    twice = double(position='output', levels=(0,))
    x = maps(FPN['in_channels'])
    model, plain = same_weights([twice, plus], **FPN)
    assert equal(model(x)[:1], [plain(x)[0] * 2 + 1])
    model, plain = same_weights([plus, twice], **FPN)
    assert equal(model(x)[:1], [(plain(x)[0] + 1) * 2])
    model, plain = same_weights([dict(plus, position='after_conv2', levels=None)], **RESNET50)
    assert insert_attention(model, [double(position='after_conv2')])
    assert model.layer1[0].after_conv2_plugin_names == ['conv2_spatialattn', 'conv2_2_spatialattn']


def test_shared_weights_are_one_module_with_one_name():
    neck = build([entry('output', shared=True)], **FPN)
    modules = [getattr(neck, f'output{i}_spatialattn') for i in range(4)]
    assert all(module is modules[0] for module in modules)
    keys = [key for key in neck.state_dict() if 'spatialattn' in key]
    assert keys
    assert all(key.startswith('output0_spatialattn.') for key in keys)
    apart = build([entry('output')], **FPN)
    assert sum(p.numel() for p in apart.parameters()) > sum(p.numel() for p in neck.parameters())


def test_one_module_reached_by_two_paths_gets_attention_once():
    head = torch.nn.Module()
    head.first = head.second = torch.nn.Conv2d(3, 4, 1)
    with pytest.warns(UserWarning, match="'second' and 'first' are one module"):
        report = insert_attention(head, [double(at='first|second')])
    assert len(report) == 1
    assert torch.equal(head.second(torch.ones(1, 3, 2, 2)), head.first(torch.ones(1, 3, 2, 2)))
