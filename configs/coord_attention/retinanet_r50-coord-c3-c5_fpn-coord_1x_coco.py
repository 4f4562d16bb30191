"""Coordinate attention in backbone and neck, from the identity.

spatialattn train configs/coord_attention/retinanet_r50-coord-c3-c5_fpn-coord_1x_coco.py

Its result is recorded in configs/coord_attention/metafile.yml when it has been run.
"""

_base_ = './retinanet_r50-coord-c3-c5_fpn_1x_coco.py'
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[dict(cfg=dict(type='CoordAttention', identity_init=True), position='output')],
    )
)
