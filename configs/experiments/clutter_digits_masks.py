"""What attention adds to a trained Mask R-CNN, by its masks and by its boxes, on clutter digits.

spatialattn scenes --out data/clutter_digits_masks --images 1500 --mixed
spatialattn sweep configs/experiments/clutter_digits_masks.py --jobs 2

The baseline is trained once, on 1,000 scenes. Then every arm is fine-tuned from it on 200 other
scenes, four times, with the same seeds. The questions are asked of the masks, which are the visible
ink of the digits; the page has the boxes beside them.
"""

_config = '../clutter_digits/mask-rcnn_r18-narrow_fpn_8e_clutter-digits.py'


def _backbone(**module):
    entry = dict(cfg=module, stages=(False, True, True, True), position='after_conv2')
    return dict(config=_config, attention=dict(backbone=entry))


def _neck(**module):
    return dict(config=_config, attention=dict(neck=dict(cfg=module, position='output')))


baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2, 3]
question = [dict(metric='AP', scope='overall'), dict(metric='AP', scope='crowded')]
overrides = {
    'data_root': 'data/clutter_digits_masks/',
    'optim_wrapper.optimizer.fused': True,
}
start = dict(arm='baseline', epochs=6, overrides={'train_dataloader.dataset.indices': 1000})
fine_tuning = {
    'train_cfg.max_epochs': 1,
    'train_dataloader.dataset.indices': -200,
    'optim_wrapper.optimizer.lr': 1e-3,
    'model.backbone.frozen_stages': 1,
    'model.backbone.norm_eval': True,
}
arms = {
    'baseline': _config,
    'control': _backbone(type='CapacityControl', like=dict(type='CBAM', reduction=16)),
    'cbam-backbone': _backbone(type='CBAM', reduction=16, identity_init=True),
    'cbam-neck': _neck(type='CBAM', identity_init=True),
}
