"""Learn to pay attention in the neck: laterals guided by the top map, from the identity.

spatialattn train configs/clutter_digits/retinanet_r18-narrow_fpn-ltp_4e_clutter-digits.py
"""

_base_ = ['./retinanet_r18-narrow_fpn_4e_clutter-digits.py', '../_base_/attention_paramwise.py']
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[
            dict(
                cfg=dict(type='LearnToPayAttention', identity_init=True),
                levels=(0, 1),
                position='lateral',
                guide='top',
            )
        ],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
