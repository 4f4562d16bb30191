"""What attention adds to a trained detector of blood cells: eight arms and a placebo.

spatialattn sweep configs/experiments/bccd.py --jobs 2 --cfg-options data_root=DIR

The control has as many parameters as CBAM and no attention; a tenth of the images must hurt. The
results are in configs/bccd/metafile.yml.
"""

baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2, 3, 4, 5, 6, 7]
question = [dict(metric='AP', scope='overall'), dict(metric='AP', scope='crowded')]
overrides = {'optim_wrapper.optimizer.fused': True}
start = dict(arm='baseline', epochs=18)
fine_tuning = {
    'train_cfg.max_epochs': 3,
    'optim_wrapper.optimizer.lr': 1e-3,
    'model.backbone.frozen_stages': 1,
    'model.backbone.norm_eval': True,
}
_folder = '../bccd/retinanet_r18-narrow'
_end = '_6e_bccd.py'
arms = {
    'baseline': f'{_folder}_fpn{_end}',
    'control': f'{_folder}-control-c3-c5_fpn{_end}',
    'cbam-backbone': f'{_folder}-cbam-c3-c5_fpn{_end}',
    'cbam-neck': f'{_folder}_fpn-cbam{_end}',
    'se-backbone': f'{_folder}-se-c3-c5_fpn{_end}',
    'coord-backbone': f'{_folder}-coord-c3-c5_fpn{_end}',
    'gc-backbone': f'{_folder}-gc-c3-c5_fpn{_end}',
    'tenth-of-the-data': dict(
        config=f'{_folder}_fpn{_end}', overrides={'train_dataloader.dataset.indices': 20}
    ),
}
