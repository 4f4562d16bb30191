"""The baseline on the clutter digits: a narrow RetinaNet, from scratch, without attention.

    spatialattn scenes --out data/clutter_digits
    spatialattn train configs/clutter_digits/retinanet_r18-narrow_fpn_4e_clutter-digits.py

Four epochs take minutes on one core; a longer training: ``--cfg-options train_cfg.max_epochs=12``.
"""

_base_ = [
    '../_base_/models/retinanet_r18-narrow_fpn.py',
    '../_base_/datasets/clutter_digits.py',
    '../_base_/schedules/scratch.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=10))
train_cfg = dict(max_epochs=4)
