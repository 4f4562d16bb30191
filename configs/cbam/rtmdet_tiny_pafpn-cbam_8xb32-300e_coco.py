"""CBAM in the neck: on every output, from the identity.

spatialattn train configs/cbam/rtmdet_tiny_pafpn-cbam_8xb32-300e_coco.py

Its result is recorded in configs/cbam/metafile.yml when it has been run.
"""

_base_ = ['mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', '../_base_/attention_paramwise.py']
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='CSPNeXtPAFPN',
        attention=[dict(cfg=dict(type='CBAM', identity_init=True), position='output')],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
