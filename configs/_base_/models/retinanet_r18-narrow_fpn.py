"""A narrow RetinaNet that trains from scratch on a laptop: ResNet-18 of width 32, FPN of 64.

It has three levels with anchors from 16 pixels, for objects of 16 to 100 pixels. Nothing is
pretrained, and therefore nothing is frozen, every norm learns, and pyramid and head have norms too:
without them a short training from scratch learns more slowly. The levels share the head but differ
in their statistics, and therefore its norm is a GroupNorm.
"""

_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'
model = dict(
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(
        in_channels=[32, 64, 128, 256], out_channels=64, num_outs=3, norm_cfg=dict(type='BN')
    ),
    bbox_head=dict(
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        norm_cfg=dict(type='GN', num_groups=8),
        anchor_generator=dict(octave_base_scale=2, strides=[8, 16, 32]),
    ),
)
