"""SE in the backbone: on the residual branch of every block of stages 2-4.

spatialattn train configs/bccd/retinanet_r18-narrow-se-c3-c5_fpn_6e_bccd.py
"""

_base_ = ['./retinanet_r18-narrow_fpn_6e_bccd.py', '../_base_/attention_paramwise.py']
model = dict(
    backbone=dict(
        type='mmdet_spatialattn.WithAttention',
        of='ResNet',
        attention=[
            dict(
                cfg=dict(type='SE', reduction=16, identity_init=True),
                stages=(False, True, True, True),
                position='after_conv2',
            )
        ],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
