"""SimAM in backbone and neck, from the identity.

spatialattn train configs/simam/retinanet_r50-simam-c3-c5_fpn-simam_1x_coco.py

Its result is recorded in configs/simam/metafile.yml when it has been run.
"""

_base_ = './retinanet_r50-simam-c3-c5_fpn_1x_coco.py'
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[dict(cfg=dict(type='SimAM', identity_init=True), position='output')],
    )
)
