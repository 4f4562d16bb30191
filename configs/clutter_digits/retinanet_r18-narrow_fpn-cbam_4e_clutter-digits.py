"""CBAM in the neck: on every output of the pyramid, from the identity.

spatialattn train configs/clutter_digits/retinanet_r18-narrow_fpn-cbam_4e_clutter-digits.py
"""

_base_ = ['./retinanet_r18-narrow_fpn_4e_clutter-digits.py', '../_base_/attention_paramwise.py']
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[
            dict(cfg=dict(type='CBAM', reduction=16, identity_init=True), position='output')
        ],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
