"""The demo: does CBAM help a detector that is trained already? Ten minutes on two cores.

spatialattn demo

The command is the same as

spatialattn scenes --out data/clutter_digits_demo --images 2400 --mixed
spatialattn sweep configs/experiments/demo.py --jobs 2

The baseline is trained once, on 1,600 scenes. Then every arm is fine-tuned from it on 250 other
scenes, three times, with the same seeds. The control has as many parameters as CBAM and no
attention.
"""

baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2]
dose = 'level'
overrides = {
    'data_root': 'data/clutter_digits_demo/',
    'optim_wrapper.optimizer.fused': True,
}
start = dict(
    arm='baseline',
    epochs=3,
    overrides={
        'train_dataloader.dataset.indices': 1600,
        'train_dataloader.batch_size': 4,
        'optim_wrapper.optimizer.lr': 4e-3,
    },
)
fine_tuning = {
    'train_cfg.max_epochs': 1,
    'train_dataloader.dataset.indices': -250,
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
}
