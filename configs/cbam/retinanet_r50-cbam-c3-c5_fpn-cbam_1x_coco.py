"""CBAM in backbone and neck, from the identity.

spatialattn train configs/cbam/retinanet_r50-cbam-c3-c5_fpn-cbam_1x_coco.py

Its result is recorded in configs/cbam/metafile.yml when it has been run.
"""

_base_ = './retinanet_r50-cbam-c3-c5_fpn_1x_coco.py'
model = dict(neck=_base_.cbam_fpn)
