"""The baseline with masks on the clutter digits: a narrow Mask R-CNN, from scratch.

    spatialattn scenes --out data/clutter_digits
    spatialattn train configs/clutter_digits/mask-rcnn_r18-narrow_fpn_8e_clutter-digits.py

The mask of a digit is its visible ink.
"""

_base_ = [
    '../_base_/models/mask-rcnn_r18-narrow_fpn.py',
    '../_base_/datasets/clutter_digits.py',
    '../_base_/schedules/scratch.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=10), mask_head=dict(num_classes=10)))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='PackDetInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=8)
