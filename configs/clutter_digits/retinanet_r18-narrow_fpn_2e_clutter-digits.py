"""The baseline on the clutter digits: a narrow RetinaNet, from scratch, without attention.

    spatialattn scenes --out data/clutter_digits
    spatialattn train configs/clutter_digits/retinanet_r18-narrow_fpn_2e_clutter-digits.py

Two epochs over the first 300 training scenes, each at five clutter levels, so that a run takes
minutes on one core; ``--cfg-options train_dataloader.dataset.indices=None`` takes all scenes.
"""

_base_ = [
    '../_base_/models/retinanet_r18-narrow_fpn.py',
    '../_base_/datasets/clutter_digits.py',
    '../_base_/schedules/scratch.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=10))
train_cfg = dict(max_epochs=2)
train_dataloader = dict(dataset=dict(indices=1500))
