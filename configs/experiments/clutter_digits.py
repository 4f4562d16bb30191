"""What attention adds to a trained detector of clutter digits: 14 arms and a placebo, 8 seeds each.

spatialattn scenes --out data/clutter_digits_mixed --images 6000 --mixed
spatialattn sweep configs/experiments/clutter_digits.py --jobs 2

The baseline is trained once on 1,600 scenes. Then every arm, the baseline included, is fine-tuned
from it on 600 other scenes with the same seeds. The 1,200 test scenes are independent of each
other. The control has as many parameters as CBAM and no attention. Two arms check the method
itself: a tenth of the scenes must hurt, and the placebo, whose start is the baseline's but for
rounding, must not matter. The results are in configs/clutter_digits/metafile.yml.
"""

baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2, 3, 4, 5, 6, 7]
dose = 'level'
question = [dict(metric='AP', scope='overall'), dict(metric='AP', scope='crowded')]
overrides = {
    'data_root': 'data/clutter_digits_mixed/',
    'optim_wrapper.optimizer.fused': True,
}
start = dict(arm='baseline', epochs=6, overrides={'train_dataloader.dataset.indices': 1600})
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
    'cbam-neck': f'{_folder}_fpn-cbam{_end}',
    'gate-backbone': f'{_folder}-gate-c3-c5_fpn{_end}',
    'gate-neck': f'{_folder}_fpn-gate{_end}',
    'se-backbone': f'{_folder}-se-c3-c5_fpn{_end}',
    'eca-backbone': f'{_folder}-eca-c3-c5_fpn{_end}',
    'coord-backbone': f'{_folder}-coord-c3-c5_fpn{_end}',
    'coord-neck': f'{_folder}_fpn-coord{_end}',
    'simam-backbone': f'{_folder}-simam-c3-c5_fpn{_end}',
    'gc-backbone': f'{_folder}-gc-c3-c5_fpn{_end}',
    'sa-backbone': f'{_folder}-sa-c3-c5_fpn{_end}',
    'ltp-neck': f'{_folder}_fpn-ltp{_end}',
    'tenth-of-the-data': dict(
        config=f'{_folder}_fpn{_end}', overrides={'train_dataloader.dataset.indices': -60}
    ),
}
