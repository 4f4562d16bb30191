"""SE in backbone and neck, from the identity.

spatialattn train configs/se/retinanet_r50-se-c3-c5_fpn-se_1x_coco.py

Its result is recorded in configs/se/metafile.yml when it has been run.
"""

_base_ = './retinanet_r50-se-c3-c5_fpn_1x_coco.py'
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[dict(cfg=dict(type='SE', identity_init=True), position='output')],
    )
)
