"""Global context in backbone and neck, from the identity.

spatialattn train configs/global_context/faster-rcnn_r50-gc-c3-c5_fpn-gc_1x_coco.py

Its result is recorded in configs/global_context/metafile.yml when it has been run.
"""

_base_ = './faster-rcnn_r50-gc-c3-c5_fpn_1x_coco.py'
model = dict(
    neck=dict(
        type='mmdet_spatialattn.WithAttention',
        of='FPN',
        attention=[dict(cfg=dict(type='GlobalContext', identity_init=True), position='output')],
    )
)
