"""OCHuman: heavily overlapping people; for tests, as it has no training set.

In COCO's layout below ``data_root``: ``images/`` and ``annotations/{train,val}.json``, as
``spatialattn convert ochuman`` writes them; another folder: ``--cfg-options data_root=DIR``.
Strata are those of the largest IoU with another person, at the bounds of its authors.
"""

_base_ = 'mmdet::_base_/datasets/coco_detection.py'
custom_imports = dict(imports=['mmdet_spatialattn'])
data_root = 'data/ochuman/'
metainfo = dict(classes=('person',))
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/train.json',
        data_prefix=dict(img='images/'),
        metainfo=metainfo,
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/val.json',
        data_prefix=dict(img='images/'),
        metainfo=metainfo,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='mmdet_spatialattn.ClutterCocoMetric',
    ann_file=data_root + 'annotations/val.json',
    strata='max_iou:0.5,0.75',
    max_detections=100,
)
test_evaluator = val_evaluator
