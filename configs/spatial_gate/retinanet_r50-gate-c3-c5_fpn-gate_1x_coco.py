"""The spatial gate in backbone and neck, from the identity.

spatialattn train configs/spatial_gate/retinanet_r50-gate-c3-c5_fpn-gate_1x_coco.py

Its result is recorded in configs/spatial_gate/metafile.yml when it has been run.
"""

_base_ = './retinanet_r50-gate-c3-c5_fpn_1x_coco.py'
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[dict(cfg=dict(type='SpatialGate', identity_init=True), position='output')],
    )
)
