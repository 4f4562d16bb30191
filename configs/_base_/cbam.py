"""CBAM in the backbone and in the neck, starting from the identity; for the configs of cbam/.

In a config that inherits, besides its other bases:

    _base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', '../_base_/cbam.py']
    model = dict(backbone=_base_.cbam_resnet, neck=_base_.cbam_fpn)
"""

# On every residual branch of stages 2-4.
cbam_resnet = dict(
    type='mmdet_spatialattn.WithAttention',
    of='ResNet',
    attention=[
        dict(
            cfg=dict(type='CBAM', norm_cfg=dict(type='GN', num_groups=1), identity_init=True),
            stages=(False, True, True, True),
            position='after_conv3',
        )
    ],
)

# On every output.
cbam_fpn = dict(
    type='mmdet_spatialattn.WithAttention',
    of='FPN',
    attention=[dict(cfg=dict(type='CBAM', identity_init=True), position='output')],
)
