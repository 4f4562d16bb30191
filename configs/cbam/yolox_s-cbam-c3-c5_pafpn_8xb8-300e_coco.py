"""CBAM in the backbone: after stages 2-4.

spatialattn train configs/cbam/yolox_s-cbam-c3-c5_pafpn_8xb8-300e_coco.py

Its result is recorded in configs/cbam/metafile.yml when it has been run.
"""

_base_ = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(
    backbone=dict(
        type='mmdet_spatialattn.WithAttention',
        of='CSPDarknet',
        attention=[dict(cfg=dict(type='CBAM'), at=r'stage[234]')],
    )
)
