"""Whether the answer on the digits depends on the detector that was trained first: three of them.

spatialattn scenes --out data/clutter_digits_mixed --images 6000 --mixed
spatialattn sweep configs/experiments/three_bases.py --jobs 2

The four most telling arms of clutter_digits.py, each fine-tuned from three baselines of other
seeds. The seeds of fine-tuning are crossed with the bases.
"""

baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2]
question = [dict(metric='AP', scope='overall'), dict(metric='AP', scope='crowded')]
overrides = {
    'data_root': 'data/clutter_digits_mixed/',
    'optim_wrapper.optimizer.fused': True,
}
start = dict(
    arm='baseline',
    epochs=6,
    seeds=[0, 1, 2],
    overrides={'train_dataloader.dataset.indices': 1600},
)
fine_tuning = {
    'train_cfg.max_epochs': 1,
    'train_dataloader.dataset.indices': -600,
    'optim_wrapper.optimizer.lr': 1e-3,
    'model.backbone.frozen_stages': 1,
    'model.backbone.norm_eval': True,
}
_folder = '../clutter_digits/retinanet_r18-narrow'
_end = '_4e_clutter-digits.py'
arms = {
    'baseline': f'{_folder}_fpn{_end}',
    'control': f'{_folder}-control-c3-c5_fpn{_end}',
    'cbam-backbone': f'{_folder}-cbam-c3-c5_fpn{_end}',
    'gate-neck': f'{_folder}_fpn-gate{_end}',
    'tenth-of-the-data': dict(
        config=f'{_folder}_fpn{_end}', overrides={'train_dataloader.dataset.indices': -60}
    ),
}
