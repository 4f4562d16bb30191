"""Optimiser settings of inserted attention: a larger learning rate of alpha, no weight decay of it.

In a config that inherits, besides its other base:

    _base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', '../_base_/attention_paramwise.py']
    optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)

mmdet_spatialattn.insertion.attention_paramwise() returns the same.
"""

attention_paramwise = dict(
    custom_keys={
        'spatialattn': dict(lr_mult=1.0),
        'spatialattn.alpha': dict(lr_mult=20.0, decay_mult=0.0),
    }
)
