"""What attention adds to a trained Mask R-CNN, by its masks and by its boxes, on clutter digits.

spatialattn scenes --out data/clutter_digits_masks --images 1500 --mixed
spatialattn sweep configs/experiments/clutter_digits_masks.py --jobs 2

The baseline is trained once, on 1,000 scenes. Then every arm is fine-tuned from it on 200 other
scenes, four times, with the same seeds. The questions are asked of the masks, which are the visible
ink of the digits; the page has the boxes beside them.
"""

_config = '../clutter_digits/mask-rcnn_r18-narrow_fpn_8e_clutter-digits.py'
_recipe = {
    'optim_wrapper.paramwise_cfg': dict(
        custom_keys={
            'spatialattn': dict(lr_mult=1.0),
            'spatialattn.alpha': dict(lr_mult=20.0, decay_mult=0.0),
        }
    )
}


def _with_attention(part, host, **entry):
    """Return an arm with attention in a part of the baseline."""
    return dict(
        config=_config,
        overrides={
            f'model.{part}.type': 'mmdet_spatialattn.WithAttention',
            f'model.{part}.of': host,
            f'model.{part}.attention': [entry],
            **_recipe,
        },
    )


def _backbone(**module):
    stages = (False, True, True, True)
    return _with_attention('backbone', 'ResNet', cfg=module, stages=stages, position='after_conv2')


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
    'cbam-neck': _with_attention(
        'neck', 'FPN', cfg=dict(type='CBAM', identity_init=True), position='output'
    ),
}
