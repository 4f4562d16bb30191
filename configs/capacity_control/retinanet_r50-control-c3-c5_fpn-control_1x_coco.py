"""The control of CBAM in backbone and neck, from the identity.

spatialattn train configs/capacity_control/retinanet_r50-control-c3-c5_fpn-control_1x_coco.py

Its result is recorded in configs/capacity_control/metafile.yml when it has been run.
"""

_base_ = './retinanet_r50-control-c3-c5_fpn_1x_coco.py'
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[
            dict(
                cfg=dict(type='CapacityControl', like=dict(type='CBAM'), identity_init=True),
                position='output',
            )
        ],
    )
)
