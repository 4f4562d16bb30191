"""CBAM in the neck: on every output.

spatialattn train configs/cbam/yolox_s_pafpn-cbam_8xb8-300e_coco.py

Its result is recorded in configs/cbam/metafile.yml when it has been run.
"""

_base_ = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='YOLOXPAFPN',
        attention=[dict(cfg=dict(type='CBAM'), position='output')],
    )
)
