"""CBAM in the neck: on every output, from the identity.

spatialattn train configs/cbam/fcos_r50-caffe_fpn-cbam_gn-head_1x_coco.py

Its result is recorded in configs/cbam/metafile.yml when it has been run.
"""

_base_ = [
    'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    '../_base_/attention_paramwise.py',
    '../_base_/cbam.py',
]
custom_imports = dict(imports=['mmdet_spatialattn'])
model = dict(neck=_base_.cbam_fpn)
optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)
