"""The baseline on crowded nuclei: a narrow RetinaNet, from scratch, without attention.

    spatialattn train configs/dsb2018/retinanet_r18-narrow_fpn_12e_dsb2018.py \
        --cfg-options data_root=DIR

An epoch shows three crops of every image. Anchors are half as large as for other objects, and an
image may have 400 detections, because its nuclei are small and many.
"""

_base_ = [
    '../_base_/models/retinanet_r18-narrow_fpn.py',
    '../_base_/datasets/dsb2018.py',
    '../_base_/schedules/scratch.py',
    '../_base_/default_runtime.py',
]
model = dict(
    bbox_head=dict(num_classes=1, anchor_generator=dict(octave_base_scale=1)),
    test_cfg=dict(max_per_img=400),
)
train_cfg = dict(max_epochs=12)
