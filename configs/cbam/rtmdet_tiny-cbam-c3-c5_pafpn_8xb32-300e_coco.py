"""CBAM in the backbone: after stages 2-4, from the identity.

spatialattn train configs/cbam/rtmdet_tiny-cbam-c3-c5_pafpn_8xb32-300e_coco.py

Its result is recorded in configs/cbam/metafile.yml when it has been run.
"""

_base_ = ['mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', '../_base_/attention_paramwise.py']
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(
    backbone=dict(
        type='mmdet_spatialattn.WithAttention',
        of='CSPNeXt',
        attention=[dict(cfg=dict(type='CBAM', identity_init=True), at=r'stage[234]')],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
