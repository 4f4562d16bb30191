"""The baseline on BCCD's blood cells: a narrow RetinaNet, from scratch, without attention.

spatialattn train configs/bccd/retinanet_r18-narrow_fpn_6e_bccd.py --cfg-options data_root=DIR
"""

_base_ = [
    '../_base_/models/retinanet_r18-narrow_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/scratch.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=3))
train_cfg = dict(max_epochs=6)
