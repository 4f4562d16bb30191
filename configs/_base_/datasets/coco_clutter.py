"""COCO, evaluated in strata of clutter too: the share of a box that other boxes cover.

The data are MMDetection's, below ``data/coco/``.
"""

_base_ = 'mmdet::_base_/datasets/coco_detection.py'
custom_imports = dict(imports=['mmdet_spatialattn'])
val_evaluator = dict(type='mmdet_spatialattn.ClutterCocoMetric', strata='cover:0.1,0.3')
test_evaluator = val_evaluator
