"""BCCD: blood cells under the microscope, three classes, overlapping; at half their size.

364 images of 640x480 in COCO's layout below ``data_root``: ``images/`` and
``annotations/{train,val,test}.json``. Source: https://github.com/Shenggan/BCCD_Dataset (MIT).
Another folder: ``--cfg-options data_root=DIR``.
"""

_base_ = 'mmdet::_base_/datasets/coco_detection.py'
data_root = 'data/bccd/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(320, 240), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(320, 240), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
folder = dict(
    data_root=data_root,
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=('RBC', 'WBC', 'Platelets')),
)
train_dataloader = dict(
    batch_size=4,
    dataset=dict(ann_file='annotations/train.json', pipeline=train_pipeline, **folder),
)
val_dataloader = dict(
    batch_size=4,
    dataset=dict(ann_file='annotations/val.json', pipeline=test_pipeline, **folder),
)
test_dataloader = dict(
    batch_size=4,
    dataset=dict(ann_file='annotations/test.json', pipeline=test_pipeline, **folder),
)
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/test.json')
