"""A detection problem small enough to train in seconds."""

import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

CONFIG = """
custom_imports = dict(imports=['mmdet_spatialattn'])
default_scope = 'mmdet'
data_root = {root!r}
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                                          'scale_factor'))]
test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                                          'scale_factor'))]
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CocoDataset', data_root=data_root, ann_file='instances.json',
                 data_prefix=dict(img='images'), metainfo=dict(classes=('square', 'disc')),
                 pipeline=pipeline))
val_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CocoDataset', data_root=data_root, ann_file='instances.json',
                 data_prefix=dict(img='images'), metainfo=dict(classes=('square', 'disc')),
                 test_mode=True, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + '/instances.json', metric='bbox')
test_evaluator = val_evaluator
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
default_hooks = dict(logger=dict(type='LoggerHook', interval=1),
                     checkpoint=dict(type='CheckpointHook', interval=1),
                     visualization=dict(type='DetVisualizationHook'))
randomness = dict(seed=0)
visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[0, 0, 0], std=[255, 255, 255],
                           pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=50, base_channels=4, out_indices=(1, 2, 3),
                  norm_eval=False, plugins=[
                      dict(cfg=dict(type='mmdet_spatialattn.SE', reduction=4),
                           stages=(False, True, False, False), position='after_conv3')]),
    neck=dict(type='FPN', in_channels=[32, 64, 128], out_channels=8, num_outs=3),
    bbox_head=dict(
        type='RetinaHead', num_classes=2, in_channels=8, stacked_convs=1, feat_channels=8,
        anchor_generator=dict(type='AnchorGenerator', octave_base_scale=2, scales_per_octave=1,
                              ratios=[1.0], strides=[8, 16, 32]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True), loss_bbox=dict(type='L1Loss')),
    train_cfg=dict(assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4,
                                 min_pos_iou=0), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(nms_pre=50, min_bbox_size=0, score_thr=0.0, max_per_img=20,
                  nms=dict(type='nms', iou_threshold=0.5)))
"""


class Tiny(NamedTuple):
    """Where the tiny problem lies."""

    root: Path
    config: Path


@pytest.fixture(scope='session')
def tiny(tmp_path_factory) -> Tiny:
    """Four images of 64 x 64 with a square and a disc, and a config of a tiny RetinaNet."""
    root = tmp_path_factory.mktemp('tiny')
    (root / 'images').mkdir()
    images, annotations = [], []
    for i in range(4):
        picture = np.full((64, 64, 3), 20 * i, np.uint8)
        cv2.rectangle(picture, (4 + i, 4), (19 + i, 19), (255, 255, 255), -1)
        cv2.circle(picture, (44, 40 - i), 8, (0, 0, 255), -1)
        cv2.imwrite(str(root / 'images' / f'{i}.png'), picture)
        images.append(dict(id=i, file_name=f'{i}.png', width=64, height=64))
        for category, box in ((1, [4 + i, 4, 16, 16]), (2, [36, 32 - i, 17, 17])):
            annotation = dict(id=len(annotations) + 1, image_id=i, category_id=category)
            annotation.update(bbox=box, area=box[2] * box[3], iscrowd=0)
            annotations.append(annotation)
    categories = [dict(id=1, name='square'), dict(id=2, name='disc')]
    (root / 'instances.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=categories))
    )
    config = root / 'tiny.py'
    config.write_text(CONFIG.format(root=str(root)))
    return Tiny(root, config)
