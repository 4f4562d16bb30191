"""The control of CBAM in the neck: on every output, from the identity.

spatialattn train configs/capacity_control/faster-rcnn_r50_fpn-control_1x_coco.py

Its result is recorded in configs/capacity_control/metafile.yml when it has been run.
"""

_base_ = ['mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', '../_base_/attention_paramwise.py']
custom_imports = dict(imports=['mmdet_spatialattn'])
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
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
