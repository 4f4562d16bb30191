"""CBAM in the backbone: on every residual branch of stages 2-4, from the identity.

spatialattn train configs/cbam/retinanet_r50-cbam-c3-c5_fpn_1x_coco.py

Its result is recorded in configs/cbam/metafile.yml when it has been run.
"""

_base_ = [
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    '../_base_/attention_paramwise.py',
    '../_base_/cbam.py',
]
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(backbone=_base_.cbam_resnet)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
