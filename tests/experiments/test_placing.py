"""Attention goes where it is asked for, in any detector, or the reason is said."""

import pytest
from mmengine.config import Config

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.checks import build_checked_model
from mmdet_spatialattn.experiments.config import read_config
from mmdet_spatialattn.experiments.placing import attention_changes
from mmdet_spatialattn.insertion.sites import attention_sites

from .sets import BASELINE, CBAM

SE = dict(type='SE', reduction=16)


@pytest.fixture(scope='module')
def narrow():
    return read_config(BASELINE)


def changed(config, changes):
    copied = Config(config._cfg_dict.to_dict())
    copied.merge_from_dict({'model': changes})
    return copied


def paths(config, changes):
    """Return the paths of the modules that attention is attached to."""
    return [path for path in attention_sites(build_checked_model(changed(config, changes)))]


def bottlenecks(**changes):
    """Return a detector with bottlenecks, a pyramid, and what is changed."""
    backbone = dict(type='ResNet', depth=50, base_channels=16, norm_eval=False)
    neck = dict(type='FPN', in_channels=[64, 128, 256, 512], out_channels=32, num_outs=5)
    head = dict(
        type='RetinaHead',
        num_classes=3,
        in_channels=32,
        feat_channels=32,
        stacked_convs=1,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[4],
            ratios=[1.0],
            strides=[8, 16, 32, 64, 128],
        ),
    )
    model = dict(type='RetinaNet', backbone=backbone, neck=neck, bbox_head=head, **changes)
    return Config(dict(default_scope='mmdet', model=model))


def test_the_backbone_takes_it_at_the_end_of_its_residual_branches(narrow):
    for config, position, blocks in (
        (narrow, 'after_conv2', 6),
        (bottlenecks(), 'after_conv3', 13),
    ):
        changes = attention_changes(config, SE, 'backbone')
        assert changes['backbone']['attention'][0]['position'] == position
        found = paths(config, changes)
        assert len(found) == blocks
        assert {path.split('.')[1] for path in found} == {'layer2', 'layer3', 'layer4'}


def test_another_backbone_takes_it_on_its_outputs():
    config = bottlenecks()
    config.model.backbone = dict(type='CSPDarknet', widen_factor=0.125, deepen_factor=0.33)
    config.model.neck.in_channels = [32, 64, 128]
    changes = attention_changes(config, SE, 'backbone')
    assert changes['backbone']['attention'][0]['position'] == 'output'
    assert len(paths(config, changes)) == 3


def test_the_neck_and_both(narrow):
    neck = attention_changes(narrow, SE, 'neck')
    assert set(neck) == {'neck'} and len(paths(narrow, neck)) == 3
    both = attention_changes(narrow, SE, 'both')
    assert set(both) == {'backbone', 'neck'}
    assert {path.split('.')[0] for path in paths(narrow, both)} == {'backbone', 'neck'}


def test_guided_attention_is_guided_by_the_top_level(narrow):
    changes = attention_changes(narrow, dict(type='LearnToPayAttention'), 'neck')
    (entry,) = changes['neck']['attention']
    assert entry['guide'] == 'top' and len(paths(narrow, changes)) == len(entry['levels'])
    with pytest.raises(
        UserError, match="'LearnToPayAttention' does not fit the backbone: it needs"
    ):
        attention_changes(narrow, dict(type='LearnToPayAttention'), 'backbone')


def test_a_pattern_is_matched_with_whole_paths(narrow):
    changes = attention_changes(narrow, SE, r'backbone\.layer4\.\d\.conv2|neck\.fpn_convs\.0')
    found = paths(narrow, changes)
    assert [path.rpartition('.')[0] for path in found] == [
        'backbone.layer4.0.conv2',
        'backbone.layer4.1.conv2',
        'neck.fpn_convs.0',
    ]


def test_attention_that_is_there_already_stays():
    config = read_config(CBAM)
    changes = attention_changes(config, SE, 'backbone')
    kinds = [entry['cfg']['type'] for entry in changes['backbone']['attention']]
    assert kinds == ['CBAM', 'SE'] and 'of' not in changes['backbone']


def test_the_first_of_several_necks_takes_it():
    config = bottlenecks()
    channel = dict(type='ChannelMapper', in_channels=[32] * 5, out_channels=32)
    config.model.neck = [config.model.neck, channel]
    changes = attention_changes(config, SE, 'neck')
    assert [neck['type'] for neck in changes['neck']] == [
        'mmdet_spatialattn.WithAttention',
        'ChannelMapper',
    ]
    assert len(paths(config, changes)) == 5


@pytest.mark.parametrize(
    ('place', 'message'),
    [
        ('layer9', r"no module of the detector matches 'layer9'; .* such as backbone\.\S+, neck"),
        ('neck', 'the detector has no neck of its own; attention can go into: backbone'),
        ('(', r"'\(' is no regular expression"),
        ('bbox_head', r"'bbox_head' matches 'bbox_head'; attention goes into modules below"),
    ],
)
def test_what_cannot_be_done_is_said(narrow, place, message):
    config = Config(narrow._cfg_dict.to_dict())
    if place == 'neck':
        del config.model['neck']
    with pytest.raises(UserError, match=message):
        attention_changes(config, SE, place)
