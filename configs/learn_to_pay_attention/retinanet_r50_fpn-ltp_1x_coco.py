"""Learn to pay attention in the neck: laterals guided by the top map, from the identity.

spatialattn train configs/learn_to_pay_attention/retinanet_r50_fpn-ltp_1x_coco.py

Its result is recorded in configs/learn_to_pay_attention/metafile.yml when it has been run.
"""

_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', '../_base_/attention_paramwise.py']
custom_imports = dict(imports=['mmdet_spatialattn'])
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
