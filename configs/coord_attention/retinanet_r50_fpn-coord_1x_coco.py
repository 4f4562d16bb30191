"""Coordinate attention in the neck: on every output, from the identity.

spatialattn train configs/coord_attention/retinanet_r50_fpn-coord_1x_coco.py

Its result is recorded in configs/coord_attention/metafile.yml when it has been run.
"""

_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', '../_base_/attention_paramwise.py']
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[dict(cfg=dict(type='CoordAttention', identity_init=True), position='output')],
    )
)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
