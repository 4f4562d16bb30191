"""The baseline on the clutter digits: a narrow RetinaNet, from scratch, without attention.

    spatialattn scenes --out data/clutter_digits
    spatialattn train configs/clutter_digits/retinanet_r18-narrow_fpn_3e_clutter-digits.py

Three epochs show every training scene fifteen times, three times at each clutter level.
"""

_base_ = [
    '../_base_/models/retinanet_r18-narrow_fpn.py',
    '../_base_/datasets/clutter_digits.py',
    '../_base_/schedules/scratch.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=10))
