"""VisDrone-DET: small objects from above, often hundreds in an image.

In COCO's layout below ``data_root``: ``images/`` and ``annotations/{train,val}.json``, as
``spatialattn convert visdrone`` writes them; another folder: ``--cfg-options data_root=DIR``.
Strata are those of the share of a box that other boxes cover; the three levels of occlusion are
kept in the annotations as ``visdrone_occlusion``.
"""

_base_ = 'mmdet::_base_/datasets/coco_detection.py'
custom_imports = dict(imports=['mmdet_spatialattn'])
data_root = 'data/visdrone/'
metainfo = dict(
    classes=(
        *('awning-tricycle', 'bicycle', 'bus', 'car', 'motor', 'pedestrian', 'people'),
        *('tricycle', 'truck', 'van'),
    )
)
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
    strata='cover:0.1,0.3',
    max_detections=500,
)
test_evaluator = val_evaluator
