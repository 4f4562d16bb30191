"""Every host x its placements x kinds of attention: bits, shapes, gradients, checkpoints."""

import pytest
import torch

from .common import build, build_plain, equal, maps, modules_by_position

LINEAR = dict(type='CBAM', identity_init=True, norm_cfg=None)
QUADRATIC = dict(type='SelfAttention2d', num_heads=1, identity_init=True)
GUIDED = dict(type='LearnToPayAttention', score='dot', identity_init=True)

BLOCK = ('after_conv1', 'after_conv2', 'after_conv3', 'after_add')
STAGE = ('before_stage', 'after_stage')


def resnet(blocks: int, stages: int = 4, convs: int = 3, outputs: int = 4) -> dict[str, int]:
    """Return the number of places of each position in a ResNet."""
    in_blocks = {p: blocks for p in BLOCK if p != 'after_conv3' or convs == 3}
    return {**in_blocks, **dict.fromkeys(STAGE, stages), 'stem': 1, 'input': 1, 'output': outputs}


NARROW = dict(depth=50, base_channels=8)
BACKBONES = {
    'resnet18': (dict(of='ResNet', depth=18, base_channels=8), resnet(8, convs=2)),
    'resnet34': (dict(of='ResNet', depth=34, base_channels=8), resnet(16, convs=2)),
    'resnet50': (dict(of='ResNet', **NARROW), resnet(16)),
    'resnet50_caffe': (dict(of='ResNet', style='caffe', **NARROW), resnet(16)),
    'resnet50_gn': (
        dict(of='ResNet', norm_cfg=dict(type='GN', num_groups=4), **NARROW),
        resnet(16),
    ),
    'resnet101': (dict(of='ResNet', depth=101, base_channels=4), resnet(33)),
    'resnetv1d': (dict(of='ResNetV1d', **NARROW), resnet(16)),
    'resnext': (dict(of='ResNeXt', groups=4, base_width=8, **NARROW), resnet(16)),
    'res2net': (dict(of='Res2Net', depth=50, base_channels=16), resnet(16)),
    'resnest': (dict(of='ResNeSt', **NARROW), resnet(16)),
    'regnet': (
        dict(of='RegNet', arch=dict(w0=8, wa=8.0, wm=2.0, group_w=8, depth=7, bot_mul=1.0)),
        resnet(7),
    ),
    'tridentnet': (
        dict(
            of='TridentResNet',
            num_branch=3,
            test_branch_idx=1,
            trident_dilations=(1, 2, 3),
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
            **NARROW,
        ),
        resnet(13, stages=3, outputs=1),
    ),
    'detectors': (dict(of='DetectoRS_ResNet', **NARROW), resnet(16)),
    'swin': (
        dict(of='SwinTransformer', embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1)),
        {'input': 1, 'output': 4},
    ),
    'cspdarknet': (
        dict(of='CSPDarknet', deepen_factor=0.33, widen_factor=0.125),
        {'input': 1, 'output': 3},
    ),
    'cspnext': (
        dict(of='CSPNeXt', deepen_factor=0.33, widen_factor=0.125),
        {'input': 1, 'output': 3},
    ),
}

C = [8, 16, 32]
NECKS = {
    'fpn': (
        dict(of='FPN', in_channels=C, out_channels=12, num_outs=5),
        dict(input=3, lateral=3, merge=3, output=5),
    ),
    'fpn_from_level_1': (
        dict(
            of='FPN',
            in_channels=C,
            out_channels=12,
            num_outs=4,
            start_level=1,
            add_extra_convs='on_output',
        ),
        dict(input=2, lateral=2, merge=2, output=4),
    ),
    'pafpn': (
        dict(of='PAFPN', in_channels=C, out_channels=12, num_outs=4),
        dict(input=3, lateral=3, merge=3, output=4),
    ),
    'fpn_carafe': (
        dict(of='FPN_CARAFE', in_channels=C, out_channels=12, num_outs=4),
        dict(input=3, lateral=4, merge=4, output=4),
    ),
    'bfp': (
        dict(of='BFP', in_channels=12, num_levels=3, refine_level=1, refine_type='conv'),
        dict(input=3, output=3),
    ),
    'cspnext_pafpn': (
        dict(of='CSPNeXtPAFPN', in_channels=C, out_channels=12, num_csp_blocks=1),
        dict(input=3, lateral=2, merge=3, output=3),
    ),
    'yolox_pafpn': (
        dict(of='YOLOXPAFPN', in_channels=C, out_channels=12, num_csp_blocks=1),
        dict(input=3, lateral=2, merge=3, output=3),
    ),
    'nasfpn': (
        dict(of='NASFPN', in_channels=C, out_channels=12, num_outs=5, stack_times=1),
        dict(input=3, lateral=3, output=5),
    ),
    'channel_mapper': (
        dict(of='ChannelMapper', in_channels=C, out_channels=12, num_outs=4),
        dict(input=3, output=4),
    ),
    'ssd_neck': (
        dict(
            of='SSDNeck',
            in_channels=(8, 16),
            out_channels=(8, 16, 32, 16),
            level_strides=(2, 2),
            level_paddings=(1, 1),
        ),
        dict(input=2, output=4),
    ),
}


def check_host(host, places, cfg, inputs, **keys):
    entries = [dict(cfg=cfg, position=position, **keys) for position in places]
    model, plain = build(entries, **host), build_plain(**host)
    positions = modules_by_position(model)
    assert {position: len(modules) for position, modules in positions.items()} == places

    model.init_weights()
    model.load_state_dict(plain.state_dict(), strict=True)
    model.eval()
    plain.eval()
    assert equal(model(inputs), plain(inputs))

    inserted = [module for modules in positions.values() for module in modules]
    for module in inserted:
        module.alpha.data.fill_(0.5)
    model.train()
    sum(out.square().mean() for out in model(inputs)).backward()
    for module in inserted:
        gradients = [parameter.grad for parameter in module.parameters()]
        assert all(g is not None and g.isfinite().all() for g in gradients)
        assert any(g.abs().sum() > 0 for g in gradients)


@pytest.mark.parametrize('cfg', [LINEAR, QUADRATIC], ids=['linear', 'quadratic'])
@pytest.mark.parametrize('name', BACKBONES)
def test_backbone(name, cfg):
    host, places = BACKBONES[name]
    check_host(host, places, cfg, torch.rand(2, 3, 64, 64))


@pytest.mark.parametrize('cfg', [LINEAR, QUADRATIC, GUIDED], ids=['linear', 'quadratic', 'guided'])
@pytest.mark.parametrize('name', NECKS)
def test_neck(name, cfg):
    host, places = NECKS[name]
    keys = dict(guide='top') if cfg is GUIDED else {}
    channels = [12] * 3 if name == 'bfp' else host['in_channels']
    check_host(host, places, cfg, maps(channels), **keys)
