"""SE in the backbone: on every residual branch of stages 2-4, from the identity.

spatialattn train configs/se/faster-rcnn_r50-se-c3-c5_fpn_1x_coco.py

Its result is recorded in configs/se/metafile.yml when it has been run.
"""

_base_ = ['mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', '../_base_/attention_paramwise.py']
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(
    backbone=dict(
        type='mmdet_spatialattn.WithAttention',
        of='ResNet',
        attention=[
            dict(
                cfg=dict(type='SE', identity_init=True),
                stages=(False, True, True, True),
                position='after_conv3',
            )
        ],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
