"""Coordinate attention in the backbone: on every residual branch of stages 2-4, from the identity.

spatialattn train configs/coord_attention/retinanet_r50-coord-c3-c5_fpn_1x_coco.py

Its result is recorded in configs/coord_attention/metafile.yml when it has been run.
"""

_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', '../_base_/attention_paramwise.py']
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(
    backbone=dict(
        type='mmdet_spatialattn.WithAttention',
        of='ResNet',
        attention=[
            dict(
                cfg=dict(
                    type='CoordAttention',
                    norm_cfg=dict(type='GN', num_groups=1),
                    identity_init=True,
                ),
                stages=(False, True, True, True),
                position='after_conv3',
            )
        ],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
