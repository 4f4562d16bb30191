"""What attention adds to a trained detector of crowded nuclei: eight arms and a placebo.

spatialattn sweep configs/experiments/dsb2018.py --jobs 2 --cfg-options data_root=DIR

The attention of the arms is written in this plan instead of in configs of their own. The control
has as many parameters as CBAM and no attention; a tenth of the images must hurt. The results are in
configs/dsb2018/metafile.yml.
"""

_config = '../dsb2018/retinanet_r18-narrow_fpn_12e_dsb2018.py'


def _backbone(**module):
    entry = dict(cfg=module, stages=(False, True, True, True), position='after_conv2')
    return dict(config=_config, attention=dict(backbone=entry))


def _neck(**module):
    return dict(config=_config, attention=dict(neck=dict(cfg=module, position='output')))


baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2, 3, 4, 5, 6, 7]
max_detections = 400
question = [dict(metric='AP', scope='overall'), dict(metric='AP', scope='crowded')]
overrides = {'optim_wrapper.optimizer.fused': True}
start = dict(arm='baseline', epochs=12)
fine_tuning = {
    'train_cfg.max_epochs': 1,
    'optim_wrapper.optimizer.lr': 1e-3,
    'model.backbone.frozen_stages': 1,
    'model.backbone.norm_eval': True,
}
arms = {
    'baseline': _config,
    'control': _backbone(type='CapacityControl', like=dict(type='CBAM', reduction=16)),
    'cbam-backbone': _backbone(type='CBAM', reduction=16, identity_init=True),
    'cbam-neck': _neck(type='CBAM', identity_init=True),
    'se-backbone': _backbone(type='SE', reduction=16, identity_init=True),
    'coord-backbone': _backbone(type='CoordAttention', identity_init=True),
    'gc-backbone': _backbone(type='GlobalContext'),
    'tenth-of-the-data': dict(
        config=_config, overrides={'train_dataloader.dataset.dataset.indices': 15}
    ),
}
