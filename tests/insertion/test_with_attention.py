"""The config door: what is built, where the attention sits, what the model is afterwards."""

import pytest
import torch
from mmdet.registry import MODELS

from mmdet_spatialattn.errors import UserError

RESNET18 = dict(of='ResNet', depth=18, base_channels=8)
RESNET50 = dict(of='ResNet', depth=50, base_channels=8)


def build(attention, **host):
    """Build a host with attention, as a config does."""
    model = MODELS.build(dict(type='mmdet_spatialattn.WithAttention', attention=attention, **host))
    model.eval()
    return model


def test_the_built_module_is_the_host_itself():
    backbone = build([dict(cfg=dict(type='SE'), position='after_conv2')], **RESNET18)
    assert type(backbone) is MODELS.get('ResNet')
    plain = MODELS.build(dict(type='ResNet', depth=18, base_channels=8))
    assert set(plain.state_dict()) <= set(backbone.state_dict())


@pytest.mark.parametrize('name', ['CBAM', 'mmdet_spatialattn.CBAM'])
def test_attention_is_found_with_and_without_scope(name):
    stages = (False, True, True, True)
    backbone = build([dict(cfg=dict(type=name), position='after_conv2', stages=stages)], **RESNET18)
    paths = [p for p, m in backbone.named_modules() if type(m).__name__ == 'CBAM']
    assert paths == [f'layer{s}.{b}.bn2.spatialattn' for s in (2, 3, 4) for b in (0, 1)]


def test_mmcv_modules_work_too():
    entry = dict(cfg=dict(type='ContextBlock', ratio=0.25), position='after_conv2')
    backbone = build([entry], **RESNET18)
    assert type(backbone.layer1[0].bn2.spatialattn).__name__ == 'ContextBlock'


@pytest.mark.parametrize('host', [RESNET18, RESNET50])
def test_identity_attention_leaves_every_bit(host):
    positions = ['after_conv1', 'after_conv2', 'after_add', 'before_stage', 'after_stage', 'stem']
    cfg = dict(type='CBAM', identity_init=True)
    backbone = build([dict(cfg=cfg, position=position) for position in positions], **host)
    x = torch.rand(1, 3, 64, 64)
    inserted = backbone(x)
    kwargs = {key: value for key, value in host.items() if key != 'of'}
    plain = MODELS.build(dict(type='ResNet', **kwargs))
    plain.eval()
    plain.load_state_dict(backbone.state_dict(), strict=False)
    assert all(torch.equal(a, b) for a, b in zip(inserted, plain(x)))


def test_fpn_takes_attention_at_its_levels():
    fpn = dict(of='FPN', in_channels=[8, 16, 32], out_channels=12, num_outs=4)
    entries = [
        dict(cfg=dict(type='SE'), position='lateral', levels=(0, 2)),
        dict(cfg=dict(type='SE'), position='output', levels=(0, 3)),
    ]
    neck = build(entries, **fpn)
    paths = {p for p, m in neck.named_modules() if type(m).__name__ == 'SE'}
    assert paths == {
        'lateral_convs.0.spatialattn',
        'lateral_convs.2.spatialattn',
        'output0_spatialattn',
        'output3_spatialattn',
    }
    maps = [torch.rand(1, c, 16 // 2**i, 16 // 2**i) for i, c in enumerate((8, 16, 32))]
    assert [tuple(out.shape) for out in neck(maps)] == [(1, 12, s, s) for s in (16, 8, 4, 2)]


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        (dict(cfg=dict(type='CBMA'), position='after_conv2'), "did you mean 'CBAM'"),
        (dict(cfg=dict(type='SE'), position='after_cnv2'), "did you mean 'after_conv2'"),
        (dict(cfg=dict(type='SE'), position='after_conv3'), 'two convolutions'),
        (dict(cfg=dict(type='SE'), position='after_conv2', stages=(2, 3)), 'one bool'),
        (dict(cfg=dict(type='SE'), at='layer3.1.bn4'), "'layer3.1.bn2'"),
        (dict(cfg=dict(type='SE')), "position='...'"),
        (dict(cfg=dict(type='SE'), positon='stem'), "did you mean 'position'"),
    ],
)
def test_a_wrong_entry_is_named_with_what_is_right(entry, message):
    with pytest.raises(UserError, match=r'attention\[0\]') as error:
        build([entry], **RESNET18)
    assert message in str(error.value)


def test_a_whole_detector_and_its_head_take_attention(tmp_path):
    from mmengine.config import Config

    file = tmp_path / 'config.py'
    file.write_text("_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'")
    cfg = Config.fromfile(file).model
    cfg.backbone.update(base_channels=8, init_cfg=None)
    cfg.neck.update(in_channels=[8, 16, 32, 64])
    cfg.bbox_head.update(feat_channels=16)
    plain = MODELS.build(cfg)
    image = torch.rand(1, 3, 64, 64)
    plain.eval()
    identity = dict(type='CBAM', identity_init=True)
    cfg.bbox_head.update(
        type='mmdet_spatialattn.WithAttention',
        of='RetinaHead',
        attention=[dict(cfg=identity, at=r'cls_convs\.\d')],
    )
    cfg.update(
        type='mmdet_spatialattn.WithAttention',
        of='RetinaNet',
        attention=[
            dict(cfg=identity, position='after_conv2', stages=(False, True, True, True)),
            dict(cfg=identity, position='merge'),
            dict(cfg=identity, at=r'bbox_head\.reg_convs\.0'),
        ],
    )
    model = MODELS.build(cfg)
    assert type(model) is type(plain)
    model.load_state_dict(plain.state_dict(), strict=True)
    model.eval()
    inserted = [p for p, m in model.named_modules() if type(m).__name__ == 'CBAM']
    assert len(inserted) == 4 + 6 + 3 + 1
    for a, b in zip(model(image), plain(image)):
        assert all(torch.equal(x, y) for x, y in zip(a, b))
