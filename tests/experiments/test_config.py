"""Configs are read by path or by name, text-style or pure Python."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config

from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.checks import build_checked_model
from mmdet_spatialattn.experiments.config import arm_config, read_config
from mmdet_spatialattn.experiments.plan import load_plan

BASE = """
from mmcv.ops import RoIAlign, nms
from mmdet.models import FPN, DetDataPreprocessor, FocalLoss, L1Loss, ResNet, RetinaHead, RetinaNet
from mmdet.models.task_modules import AnchorGenerator, DeltaXYWHBBoxCoder, MaxIoUAssigner
from torch.optim import SGD

default_scope = None
optim_wrapper = dict(optimizer=dict(type=SGD, lr=0.01))
roi_layer = dict(type=RoIAlign, output_size=7)
model = dict(
    type=RetinaNet,
    data_preprocessor=dict(type=DetDataPreprocessor, mean=[0], std=[255]),
    backbone=dict(type=ResNet, depth=50, base_channels=4, out_indices=(1, 2, 3)),
    neck=dict(type=FPN, in_channels=[32, 64, 128], out_channels=8, num_outs=3),
    bbox_head=dict(
        type=RetinaHead, num_classes=2, in_channels=8, stacked_convs=1, feat_channels=8,
        anchor_generator=dict(type=AnchorGenerator, octave_base_scale=2, scales_per_octave=1,
                              ratios=[1.0], strides=[8, 16, 32]),
        bbox_coder=dict(type=DeltaXYWHBBoxCoder),
        loss_cls=dict(type=FocalLoss, use_sigmoid=True), loss_bbox=dict(type=L1Loss)),
    train_cfg=dict(assigner=dict(type=MaxIoUAssigner, pos_iou_thr=0.5, neg_iou_thr=0.4)),
    test_cfg=dict(nms_pre=50, min_bbox_size=0, score_thr=0.0, max_per_img=20,
                  nms=dict(type=nms, iou_threshold=0.5)))
"""
ARM = """
from mmengine.config import read_base
with read_base():
    from .base import *
from mmdet_spatialattn import WithAttention
from mmdet_spatialattn.attention import SE
from mmdet.models import FPN

model.neck.update(
    type=WithAttention, of=FPN,
    attention=[dict(cfg=dict(type=SE, reduction=2), levels=(0,), position='output')])
"""


@pytest.fixture
def pure_python(tmp_path):
    """A pure-Python config that inherits and inserts attention."""
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'arm.py').write_text(ARM)
    return tmp_path / 'arm.py'


def test_a_pure_python_config_builds_the_detector_that_mmengine_builds(pure_python):
    ours = build_checked_model(read_config(pure_python)).eval()
    theirs = MODELS.build(Config.fromfile(pure_python).model).eval()
    assert type(ours.neck.output0_spatialattn).__name__ == 'SE'
    theirs.load_state_dict(ours.state_dict())
    image = torch.rand(1, 3, 64, 64)
    shape = dict(img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1.0, 1.0))
    found, expected = (
        model.predict(image, [DetDataSample(metainfo=shape)])[0].pred_instances
        for model in (ours, theirs)
    )
    assert len(expected) and torch.equal(found.bboxes, expected.bboxes)
    assert torch.equal(found.scores, expected.scores)


def test_a_pure_python_config_is_names_only_and_can_be_written(pure_python, tmp_path):
    config = read_config(pure_python)
    assert config.model.type == 'mmdet.models.RetinaNet'
    assert config.optim_wrapper.optimizer.type == 'torch.optim.SGD'
    assert config.model.test_cfg.nms.type == 'nms'  # which MMCV evaluates among its operators
    assert config.roi_layer.type == 'RoIAlign'
    config.dump(tmp_path / 'written.py')
    assert Config.fromfile(tmp_path / 'written.py')._cfg_dict == config._cfg_dict


def test_a_misspelt_attention_in_a_pure_python_config_is_named(pure_python):
    pure_python.write_text(ARM.replace('import SE', 'import CBMA').replace('=SE', '=CBMA'))
    with pytest.raises(UserError, match=r"'mmdet_spatialattn.attention.CBMA'; did you mean 'CBAM'"):
        build_checked_model(read_config(pure_python))


def test_a_misspelt_part_of_the_host_is_named(pure_python):
    text = ARM + 'from mmdet.models import RetinaHed\nmodel.bbox_head.type = RetinaHed\n'
    pure_python.write_text(text)
    with pytest.raises(UserError, match="no module is registered as 'mmdet.models.RetinaHed'"):
        build_checked_model(read_config(pure_python))


def test_a_config_of_mmdetection_is_read_by_its_name():
    config = read_config('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py')
    assert config.model.backbone.depth == 18


def test_a_base_that_does_not_exist_is_told_with_the_nearest(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x.py'")
    with pytest.raises(UserError, match=r'mine\.py: mmdet ships no config .* did you mean'):
        read_config(path)
    path.write_text("_base_ = 'gone::retinanet.py'")
    with pytest.raises(UserError, match=r"mine\.py: gone::retinanet\.py: no package 'gone'"):
        read_config(path)


NECK = dict(cfg=dict(type='SE', reduction=2), position='output')


@pytest.fixture
def plan(tmp_path, pure_python):
    """Return a function that reads a plan whose arm has attention in the plan."""

    def plan(config='base.py', **attention):
        (tmp_path / 'plan.py').write_text(
            f"baseline = 'plain'\nseeds = [0]\noverrides = {{'optim_wrapper.paramwise_cfg': "
            f"dict(norm_decay_mult=0.0)}}\narms = dict(plain='base.py', "
            f'attended=dict(config={config!r}, attention={attention!r}))'
        )
        plan = load_plan(tmp_path / 'plan.py')
        return arm_config(plan, plan.arms[1])

    return plan


def test_attention_in_a_plan_is_inserted_and_trained_by_its_recipe(plan):
    config = plan(neck=NECK, bbox_head=dict(cfg=dict(type='SE'), at='cls_convs.0.conv'))
    model = build_checked_model(config)
    assert type(model.neck.output0_spatialattn).__name__ == 'SE'
    assert any(name.startswith('bbox_head') and 'spatialattn' in name
               for name, _ in model.named_parameters())  # fmt: skip
    paramwise = config.optim_wrapper.paramwise_cfg
    assert paramwise['norm_decay_mult'] == 0.0 and 'spatialattn.alpha' in paramwise['custom_keys']


def test_attention_in_a_plan_joins_that_of_the_config(plan):
    config = plan('arm.py', neck=dict(NECK, levels=(1,)))
    assert [entry['levels'] for entry in config.model.neck.attention] == [(0,), (1,)]


def test_attention_in_a_part_that_is_not_there_is_refused(plan):
    with pytest.raises(UserError, match="no part 'nekc'; did you mean 'neck'.*parts: .*bbox_head"):
        plan(nekc=NECK)
