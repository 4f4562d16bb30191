"""The audit: every column against what is known of the model, every warning and its remedy."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.insertion import audit_model, insert_attention
from mmdet_spatialattn.insertion.audit_detector import audit_detector, input_size

from .common import FPN, RESNET18, RESNET50, build, double, entry, maps

LIVELY = dict(type='SE', identity_init=True, reduction=1)  # of two hidden units, both may be dead
PRETRAINED = dict(type='Pretrained', checkpoint='absent.pth')
FROM_2 = (False, True, True, True)


@pytest.fixture(scope='module')
def faster_rcnn(tmp_path_factory):
    """MMDetection's Faster R-CNN with attention in all three ways, as a config; and its audit."""
    file = tmp_path_factory.mktemp('config') / 'config.py'
    file.write_text("_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'")
    config = Config.fromfile(file)
    config.merge_from_dict(
        dict(
            model=dict(
                backbone=dict(
                    type='mmdet_spatialattn.WithAttention',
                    of='ResNet',
                    attention=[entry('after_conv3', stages=FROM_2, blocks='last')],
                    plugins=[dict(cfg=dict(type='mmdet_spatialattn.SE'), position='after_conv2')],
                ),
                neck=dict(
                    type='mmdet_spatialattn.WithAttention',
                    of='FPN',
                    attention=[entry('output', 'NonLocal', levels=(0, 3, 4))],
                ),
            )
        )
    )
    return config, audit_detector(MODELS.build(config.model), config)


def rows_of(report, module):
    return {row.path: row for row in report if row.module == module}


def test_the_rows_tell_where_the_attention_is_and_how_large_its_maps_are(faster_rcnn):
    config, report = faster_rcnn
    assert input_size(config) == report.size == (800, 1344)  # 1333 padded to a multiple of 32
    cbam = rows_of(report, 'CBAM')
    assert {path: (row.channels, row.map, row.stride) for path, row in cbam.items()} == {
        'backbone.layer2.3.conv3_spatialattn': (512, (100, 168), 8),
        'backbone.layer3.5.conv3_spatialattn': (1024, (50, 84), 16),
        'backbone.layer4.2.conv3_spatialattn': (2048, (25, 42), 32),
    }
    non_local = rows_of(report, 'NonLocal')
    assert [row.map for row in non_local.values()] == [(200, 336), (25, 42), (13, 21)]
    assert {row.trains for row in (*cbam.values(), *non_local.values())} == {'yes'}
    assert {row.change for row in (*cbam.values(), *non_local.values())} == {0}


def test_it_tells_whether_the_attention_can_learn(faster_rcnn):
    learning = {row.path: row.can_learn for row in faster_rcnn[1]}
    frozen = {path for path in learning if path.startswith('backbone.layer1')}
    assert len(frozen) == 3
    assert {learning[path] for path in frozen} == {'no: frozen by backbone.frozen_stages=1'}
    assert {learning[path] for path in learning.keys() - frozen} == {'yes'}


def test_native_plugins_are_audited_too(faster_rcnn):
    plugins = rows_of(faster_rcnn[1], 'SE')
    assert len(plugins) == 16
    assert {row.position for row in plugins.values()} == {'plugin'}
    first = plugins['backbone.layer1.0.se']
    assert first.trains == 'frozen by backbone.frozen_stages=1'
    assert plugins['backbone.layer2.0.se'].trains == 'yes'


def test_each_warning_names_the_place_the_reason_and_the_remedy(faster_rcnn):
    warnings = faster_rcnn[1].warnings
    assert [warning.split(' at ')[0] for warning in warnings] == [
        'SE',
        'BatchNorm in CBAM',
        'NonLocal',
        'SE',
    ]
    frozen, norm, large, loud = warnings
    assert 'SE at backbone.layer1.0.se and 2 more stay as they are built, frozen by' in frozen
    assert 'backbone.norm_eval=True' in norm
    assert 'norm_eval=False' in norm
    assert (
        'NonLocal at neck.output0_spatialattn compare all positions of a map at stride 4' in large
    )
    assert 'SE at backbone.layer1.0.se and 15 more change pretrained features' in loud
    assert 'identity_init=True' in loud


def test_the_memory_of_attention_over_all_pairs_is_that_of_its_matrix(faster_rcnn):
    row = rows_of(faster_rcnn[1], 'NonLocal')['neck.output0_spatialattn']
    matrix = (200 * 336) ** 2 * 4
    assert matrix <= row.memory < 1.1 * matrix
    assert row.cost == 'O((HW)^2)'


def test_it_prints_as_a_table(faster_rcnn):
    lines = str(faster_rcnn[1]).splitlines()
    assert lines[0].split()[:4] == ['path', 'module', 'position', 'channels']
    row = next(line for line in lines if line.startswith('neck.output0_spatialattn'))
    assert row.split() == [
        'neck.output0_spatialattn', 'NonLocal', 'output', '256', '200x336', 'yes', '-', 'identity',
        'O((HW)^2)', '17.0', 'GiB',
    ]  # fmt: skip
    assert lines[-5] == 'maps and memory per image for an input of 800x1344 pixels'
    assert all(line.startswith('warning: ') for line in lines[-4:])


def test_the_memory_is_what_autograd_keeps():
    backbone = build([entry('stem', 'SpatialGate', False)], **RESNET18)
    (row,) = audit_model(backbone, (torch.rand(1, 3, 64, 64),))
    assert row.map == (32, 32)
    assert row.memory == (8 + 1) * 32 * 32 * 4  # x and the gate


def test_the_factor_at_init_is_measured():
    model = nn.Sequential(nn.Conv2d(3, 4, 1))
    (row,) = insert_attention(model, [double(at='0')])
    assert (row.factor, row.change) == (2, 1)
    assert 'x 2.00' in str(audit_model(model))


def test_maps_of_a_neck_alone_are_unknown_without_an_example():
    neck = build([entry('output', shared=True)], **FPN)
    (row,) = audit_model(neck)
    assert (row.map, row.stride, row.memory, row.places) == (None, None, None, 4)
    (row,) = audit_model(neck, (maps(FPN['in_channels']),))
    assert (row.map, row.runs) == ((32, 32), 4)
    assert '32x32 x4' in str(audit_model(neck, (maps(FPN['in_channels']),)))


FROZEN = dict(RESNET50, frozen_stages=1)


def test_a_frozen_stage_would_keep_the_random_init():
    with pytest.raises(UserError) as error:
        build([entry('after_conv3', identity_init=False)], **FROZEN)
    for part in ("3 of its places ('layer1.0', ...)", 'frozen_stages=1', 'frozen_ok=True'):
        assert part in str(error.value)


@pytest.mark.parametrize(
    'accepted',
    [
        entry('after_conv3', identity_init=False, stages=FROM_2),
        entry('after_conv3', identity_init=False, frozen_ok=True),
        entry('after_conv3', identity_init=True),
        entry('after_conv3', 'SimAM', identity_init=False),
        entry('stem', identity_init=False),
    ],
    ids=['other stages', 'frozen_ok', 'identity_init', 'no parameters', 'not frozen'],
)
def test_a_frozen_stage_is_accepted(accepted):
    backbone = build([accepted], **FROZEN)
    backbone.train()
    frozen = [row for row in audit_model(backbone) if row.frozen]
    expected = 'identity_init' in accepted['cfg'] or 'frozen_ok' in accepted
    assert len(frozen) == 3 * expected


def test_what_is_inserted_into_a_frozen_stage_is_frozen_at_once():
    model = build([entry('after_conv3')], **FROZEN)
    assert not any(p.requires_grad for p in model.layer1[0].conv3_spatialattn.parameters())
    assert not model.layer1[0].conv3_spatialattn.training
    assert all(p.requires_grad for p in model.layer2[0].conv3_spatialattn.parameters())


def test_identity_in_a_frozen_stage_never_learns_and_is_said_to():
    report = audit_model(build([entry('after_conv3')], **FROZEN))
    assert any('stay as they are built, frozen by frozen_stages=1' in w for w in report.warnings)
    accepted = audit_model(build([entry('after_conv3', frozen_ok=True)], **FROZEN))
    assert not any('stay as they are built' in warning for warning in accepted.warnings)


def test_batchnorm_that_learns_its_statistics_is_no_warning():
    report = audit_model(build([entry('after_conv3')], **RESNET50, norm_eval=False))
    assert {row.norm for row in report} == {'batch'}
    assert not report.warnings


def test_attention_over_all_pairs_is_fine_on_small_maps_and_in_windows():
    stages = (False, False, True, True)
    small = build([entry('after_conv3', 'NonLocal', stages=stages)], **RESNET50)
    assert not audit_model(small).warnings
    cfg = dict(type='SelfAttention2d', window=7, identity_init=True)
    assert not audit_model(build([dict(cfg=cfg, position='stem')], **RESNET50)).warnings
    cfg.pop('window')
    (warning,) = audit_model(build([dict(cfg=cfg, position='stem')], **RESNET50)).warnings
    assert 'at stride 2' in warning


@pytest.mark.parametrize('how', ['init_cfg', 'load_from'])
def test_pretrained_features_want_the_identity(how):
    init = dict(init_cfg=dict(type='Pretrained', checkpoint='x')) if how == 'init_cfg' else {}
    bare, safe = (
        audit_model(
            build([entry('after_conv2', 'SE', identity)], **RESNET18, **init),
            pretrained=how == 'load_from',
        )
        for identity in (False, True)
    )
    assert 'change pretrained features from the first step (x 0.' in bare.warnings[0]
    assert not safe.warnings


def loss(model):
    return sum(output.square().mean() for output in model(torch.randn(2, 3, 64, 64)))


def test_the_trial_leaves_the_model_and_the_random_numbers_alone():
    model = build([dict(cfg=LIVELY, position='after_conv2')], **RESNET18, init_cfg=PRETRAINED)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    report = audit_model(model, losses=[loss])
    assert torch.equal(torch.rand(3), expected)
    assert {row.can_learn for row in report} == {'yes'}
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    assert not model.is_init and model.init_cfg == PRETRAINED
    assert {row.can_learn for row in audit_model(model)} == {'not tried'}


def test_zeros_in_a_row_cannot_learn():
    cfg = dict(type='CapacityControl', like=dict(type='CBAM', reduction=1))
    model = build([dict(cfg=cfg, position='after_conv2')], **RESNET18)
    model.init_weights()
    for index in (1, 2):
        torch.nn.init.zeros_(model.get_submodule(f'layer{index}.0.bn2.spatialattn.down').weight)
    report = audit_model(model, losses=[loss])
    assert [row.can_learn == 'yes' for row in report] == [False, True] * 2 + [True] * 4
    (row, *_) = report
    assert row.can_learn == (
        'no: no gradient ever reached up, down.weight, which are 0 in a row and stop each other'
    )
    (warning,) = report.warnings
    assert 'CapacityControl at layer1.0.bn2.spatialattn and 1 more cannot learn' in warning


def test_what_the_loss_does_not_depend_on_cannot_learn():
    model = build([dict(cfg=LIVELY, position='output')], **RESNET18)

    def loss_of_the_last(model):
        return model(torch.randn(2, 3, 64, 64))[3].square().mean()

    report = audit_model(model, losses=[loss_of_the_last])
    assert [row.can_learn.split(':')[0] for row in report] == ['no'] * 3 + ['yes']
    both = audit_model(model, losses=[loss_of_the_last, loss])
    assert [row.can_learn for row in both] == ['yes'] * 4


def test_a_trial_that_fails_is_told_with_its_reason():
    def fails(model):
        raise RuntimeError('no\nimages')

    report = audit_model(build([entry('stem', 'SE')], **RESNET18), losses=[fails])
    assert [row.can_learn for row in report] == ['not tried']
    assert report.warnings == (
        'whether the attention can learn is not known: a training step on random data ended with '
        'RuntimeError: no images',
    )
    model = build([dict(cfg=LIVELY, position='stem')], **RESNET18)
    report = audit_model(model, losses=[fails, loss])
    assert [row.can_learn for row in report] == ['yes'] and not report.warnings


def test_what_is_frozen_or_has_no_parameters_is_not_tried():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1))
    insert_attention(model, [dict(cfg=dict(type='SE'), at='0'), double(at='1')])
    for parameter in model.parameters():
        parameter.requires_grad = False
    assert [row.can_learn for row in audit_model(model)] == ['no: frozen', 'no parameters']


def test_a_target_that_never_runs_is_told():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            return self.used(x)

    with pytest.warns(UserWarning, match='Double at idle.spatialattn never ran'):
        insert_attention(Idle(), [double(at='used|idle')], example=torch.rand(1, 3, 8, 8))


def test_the_config_door_logs_the_table_and_the_warnings(caplog):
    import logging

    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        build([entry('after_conv3')], **FROZEN)
    finally:
        logger.setLevel(level)
        logger.removeHandler(caplog.handler)
    levels = [(record.levelname, record.getMessage().split('\n')[0]) for record in caplog.records]
    assert ('INFO', 'attention in ResNet') in levels
    assert sum(name == 'WARNING' for name, _ in levels) == 2
