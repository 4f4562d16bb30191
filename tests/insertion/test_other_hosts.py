"""Hosts and places that are not the usual ones: attention goes in, or one message says why not."""

import pytest
import torch
from mmdet.registry import MODELS as MMDET
from mmengine.config import Config
from torch import nn

from mmdet_spatialattn.compat.configs import config_path
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.insertion import insert_attention
from mmdet_spatialattn.insertion.audit import audit_model
from mmdet_spatialattn.registry import MODELS

SE = dict(type='SE', identity_init=True)


def build(of, *attention, **kwargs):
    return MODELS.build(
        dict(type='mmdet_spatialattn.WithAttention', of=of, attention=list(attention), **kwargs)
    )


def paths(model):
    return [path for path, _ in model.named_modules() if path.endswith('spatialattn')]


def detector(config, *attention):
    """Return a detector that MMDetection ships, with attention, and without pretrained weights."""
    model = Config.fromfile(config_path(f'mmdet::{config}')).model
    model.backbone.init_cfg = None
    return build(model.pop('type'), *attention, **model)


NECKS = {
    'CTResNetNeck': dict(
        in_channels=512,
        num_deconv_filters=(256, 128, 64),
        num_deconv_kernels=(4, 4, 4),
        use_dcn=False,
    ),
    'DilatedEncoder': dict(
        in_channels=2048,
        out_channels=512,
        block_mid_channels=128,
        num_residual_blocks=4,
        block_dilations=[2, 4, 6, 8],
    ),
    'DyHead': dict(in_channels=256, out_channels=256, num_blocks=1),
}


@pytest.mark.parametrize('position', ['input', 'output'])
@pytest.mark.parametrize('neck', NECKS)
def test_a_neck_that_takes_a_tuple_and_declares_one_number_of_channels(neck, position):
    model = build(neck, dict(cfg=SE, position=position), **NECKS[neck])
    levels = 5 if neck == 'DyHead' else 1
    assert len(paths(model)) == levels
    if position == 'input' and levels == 1:  # of all maps of the backbone, these read the last
        maps = [torch.rand(1, c, 4, 4) for c in (8, 16, NECKS[neck]['in_channels'])]
        assert len(model.eval()(tuple(maps))) == 1
    channels = NECKS[neck]['in_channels'] if position == 'input' else model_out(neck)
    assert {module.in_channels for module in model.modules() if type(module).__name__ == 'SE'} == {
        channels
    }


def model_out(neck):
    return {'CTResNetNeck': 64, 'DilatedEncoder': 512, 'DyHead': 256}[neck]


def test_channels_in_the_entry_need_no_dry_run():
    class Odd(nn.Module):
        def forward(self, x, secret):
            return x

    model = Odd()
    insert_attention(model, [dict(cfg=SE, position='output', in_channels=8)])
    assert model(torch.rand(1, 8, 4, 4), None).shape == (1, 8, 4, 4)


def test_the_input_of_a_roi_head_takes_its_features():
    head = dict(in_channels=64, fc_out_channels=32, roi_feat_size=7, num_classes=3)
    model = build('Shared2FCBBoxHead', dict(cfg=SE, position='input'), **head)
    scores, _ = model(torch.rand(5, 64, 7, 7))
    assert paths(model) == ['input_spatialattn'] and scores.shape == (5, 4)


def test_levels_of_the_input_of_a_head_are_honoured():
    model = build(
        'RetinaHead', dict(cfg=SE, position='input', levels=(0,)), num_classes=3, in_channels=16,
        feat_channels=8, stacked_convs=1,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=3, ratios=[1.0],
            strides=[8, 16, 32, 64, 128],
        ),
    )  # fmt: skip
    ran = []
    model.input0_spatialattn.register_forward_hook(lambda *_: ran.append(1))
    model(tuple(torch.rand(1, 16, 2**k, 2**k) for k in (5, 4, 3, 2, 1)))
    assert len(ran) == 1


RESNET = dict(of='ResNet', depth=18, base_channels=8)
FPN = dict(of='FPN', in_channels=[8, 16], out_channels=8, num_outs=2)


@pytest.mark.parametrize(
    ('host', 'entry', 'message'),
    [
        (RESNET, dict(position='output', stages=(True,) * 4), 'stages does not go with .*output'),
        (RESNET, dict(position='stem', stages=(True,) * 4), 'stages does not go with .*stem'),
        (RESNET, dict(position='after_add', levels=(0,)), 'levels does not go with .*after_add'),
        (RESNET, dict(position='after_stage', blocks='last'), 'blocks does not go with'),
        (FPN, dict(position='output', stages=(True, False)), 'stages does not go with'),
        (FPN, dict(position='lateral', blocks=(0,)), 'blocks does not go with'),
    ],
)
def test_a_choice_that_a_position_does_not_use_is_refused(host, entry, message):
    with pytest.raises(UserError, match=message):
        build(host['of'], dict(cfg=SE, **entry), **{k: v for k, v in host.items() if k != 'of'})


class ChannelGate(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.fc = nn.Conv2d(in_channels, in_channels, 1)

    def forward(self, x):
        return self.fc(x.mean((2, 3), keepdim=True)).sigmoid()


class WithMap(ChannelGate):
    def forward(self, x):
        gate = super().forward(x)
        return x * gate, gate


class Widened(ChannelGate):
    def forward(self, x):
        return torch.cat([x, x], dim=1)


class Failing(ChannelGate):
    def forward(self, x):
        raise ValueError('not today')


@pytest.mark.parametrize(
    ('module', 'message'),
    [
        (ChannelGate, r'ChannelGate returns a map \(2, 8, 1, 1\) for a map \(2, 8, 16, 20\)'),
        (WithMap, 'WithMap returns a tuple for a map'),
        (Widened, r'Widened returns a map \(2, 16, 16, 20\) for a map'),
        (Failing, r'Failing fails on a map \(2, 8, 16, 20\): ValueError: not today'),
    ],
)
def test_a_module_that_returns_another_shape_is_refused(module, message):
    model = nn.Sequential(nn.Conv2d(3, 8, 1))
    with pytest.raises(UserError, match=message):
        insert_attention(model, [dict(cfg=dict(type=module), at='0')])
    assert not paths(model)


def test_a_name_that_the_user_registered_too_is_not_guessed():
    class CBAM(ChannelGate):
        def forward(self, x):
            return x * super().forward(x)

    MMDET.register_module(name='CBAM', module=CBAM)
    try:
        for kind, cls in (('mmdet.CBAM', CBAM), ('mmdet_spatialattn.CBAM', MODELS.get('CBAM'))):
            model = nn.Sequential(nn.Conv2d(3, 16, 1))
            insert_attention(model, [dict(cfg=dict(type=kind), at='0')])
            assert type(model[0].spatialattn) is cls
        with pytest.raises(UserError, match=r"two modules are registered as 'CBAM'.*'mmdet.CBAM'"):
            insert_attention(
                nn.Sequential(nn.Conv2d(3, 16, 1)), [dict(cfg=dict(type='CBAM'), at='0')]
            )
    finally:
        del MMDET.module_dict['CBAM']


def test_maps_with_the_channels_last_are_refused():
    from torchvision.models import swin_t

    model, image = swin_t().eval(), torch.rand(1, 3, 224, 224)
    with pytest.raises(UserError, match=r"'features.3.1' .* has the channels last.*'features.0.0'"):
        insert_attention(model, [dict(cfg=SE, at=r'features\.3\.1')], example=image)
    insert_attention(model, [dict(cfg=SE, at=r'features\.0\.0')], example=image)
    assert paths(model) == ['features.0.0.spatialattn']


def test_tokens_are_refused_with_places_that_fit():
    message = r"'encoder.layers.5' .* is tokens \(N, L, C\), .* as there are after 'backbone"
    for channels in ({}, {'in_channels': 256}):
        with pytest.raises(UserError, match=message):
            detector(
                'detr/detr_r50_8xb2-150e_coco.py',
                dict(cfg=SE, at=r'encoder\.layers\.5', **channels),
            )


def test_modules_of_other_dimensions_are_refused():
    for model in (nn.Sequential(nn.Conv1d(3, 8, 1)), nn.Sequential(nn.Conv3d(3, 8, 1))):
        with pytest.raises(UserError, match=r"'0' \(Conv\dd\) has no maps \(N, C, H, W\)"):
            insert_attention(model, [dict(cfg=SE, at='0')])


def test_a_named_position_in_a_whole_mask2former_is_that_of_its_backbone():
    last = (False, False, False, True)
    config = 'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py'
    model = detector(config, dict(cfg=SE, position='after_conv3', stages=last))
    assert paths(model) == [f'backbone.layer4.{i}.conv3_spatialattn' for i in range(3)]


def test_attention_before_a_head_runs_on_every_level_and_is_said_to():
    config = 'retinanet/retinanet_r18_fpn_1x_coco.py'
    model = detector(config, dict(cfg=SE, at='bbox_head', before=True))
    audit = audit_model(model, size=(128, 128))
    assert [(row.path, row.runs) for row in audit] == [('bbox_head.input_spatialattn', 5)]
    assert not any('never ran' in warning for warning in audit.warnings)


@pytest.mark.parametrize(
    ('name', 'position'), [('skresnet18', 'after_conv2'), ('resnest14d', 'after_conv1')]
)
def test_blocks_of_another_kind_are_refused(name, position):
    timm = pytest.importorskip('timm')
    message = f"position '{position}' is not known in the blocks of this ResNet.*with at="
    with pytest.raises(UserError, match=message):
        insert_attention(timm.create_model(name), [dict(cfg=SE, position=position)])


def test_a_branch_that_is_merged_later_is_named():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))
            self.merged = None

        def forward(self, x):
            return self.dense(x) if self.merged is None else self.merged(x)

    model, x = nn.Sequential(Block()), torch.rand(1, 8, 4, 4)
    insert_attention(model, [dict(cfg=SE, at=r'0\.dense')], example=x)
    model[0].merged = nn.Identity()
    del model[0].dense
    with pytest.raises(UserError, match="'0.dense.1' was replaced or removed after attention"):
        model(x)


@pytest.mark.parametrize('channels', [1, 3, 4, 6])
def test_the_audit_sees_maps_for_images_of_any_channels(channels):
    position = dict(position='after_stage', stages=(True, False, False, False))
    model = build(
        'ResNet', dict(cfg=dict(type='NonLocal'), **position), depth=18, in_channels=channels,
        base_channels=8,
    )  # fmt: skip
    audit = audit_model(model)
    assert [row.map for row in audit] == [(200, 336)]
    assert any('GiB per image' in warning for warning in audit.warnings)
