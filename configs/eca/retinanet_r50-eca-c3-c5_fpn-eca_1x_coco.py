"""ECA in backbone and neck, from the identity.

spatialattn train configs/eca/retinanet_r50-eca-c3-c5_fpn-eca_1x_coco.py

Its result is recorded in configs/eca/metafile.yml when it has been run.
"""

_base_ = './retinanet_r50-eca-c3-c5_fpn_1x_coco.py'
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[dict(cfg=dict(type='ECA', identity_init=True), position='output')],
    )
)
