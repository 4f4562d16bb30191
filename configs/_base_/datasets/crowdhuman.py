"""CrowdHuman: crowds of people, 23 in an image on average.

In COCO's layout below ``data_root``: ``Images/`` and ``annotations/{train,val}.json``, as
``spatialattn convert crowdhuman`` writes them; another folder: ``--cfg-options data_root=DIR``.
Strata are those of annotated occlusion, from the visible boxes.
"""

_base_ = 'mmdet::_base_/datasets/coco_detection.py'
custom_imports = dict(imports=['mmdet_spatialattn'])
data_root = 'data/crowdhuman/'
metainfo = dict(classes=('person',))
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/train.json',
        data_prefix=dict(img='Images/'),
        metainfo=metainfo,
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/val.json',
        data_prefix=dict(img='Images/'),
        metainfo=metainfo,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='mmdet_spatialattn.ClutterCocoMetric',
    ann_file=data_root + 'annotations/val.json',
    strata='occlusion:0.1,0.35',
    max_detections=500,
)
test_evaluator = val_evaluator
