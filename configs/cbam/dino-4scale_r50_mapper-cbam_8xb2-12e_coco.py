"""CBAM in the neck: on every output, from the identity.

spatialattn train configs/cbam/dino-4scale_r50_mapper-cbam_8xb2-12e_coco.py

Its result is recorded in configs/cbam/metafile.yml when it has been run.
"""

_base_ = ['mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py', '../_base_/attention_paramwise.py']
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='ChannelMapper',
        attention=[dict(cfg=dict(type='CBAM', identity_init=True), position='output')],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
