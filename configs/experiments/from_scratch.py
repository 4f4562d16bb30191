"""What a detector trained with attention is worth: six arms from scratch, twelve epochs each.

spatialattn scenes --out data/clutter_digits_mixed --images 6000 --mixed
spatialattn sweep configs/experiments/from_scratch.py --jobs 2

Every run starts from its own random weights, so that seeds lie further apart than with a common
start. Two arms check the method: half the width and half the scenes must hurt.
"""

baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2]
dose = 'level'
overrides = {
    'data_root': 'data/clutter_digits_mixed/',
    'train_cfg.max_epochs': 12,
    'train_dataloader.dataset.indices': 800,
    'optim_wrapper.optimizer.fused': True,
}
_folder = '../clutter_digits/retinanet_r18-'
_end = '_4e_clutter-digits.py'
arms = {
    'baseline': f'{_folder}narrow_fpn{_end}',
    'control': f'{_folder}narrow-control-c3-c5_fpn{_end}',
    'cbam-backbone': f'{_folder}narrow-cbam-c3-c5_fpn{_end}',
    'cbam-neck': f'{_folder}narrow_fpn-cbam{_end}',
    'half-the-width': dict(
        config=f'{_folder}narrow_fpn{_end}',
        overrides={
            'model.backbone.base_channels': 16,
            'model.neck.in_channels': [16, 32, 64, 128],
            'model.neck.out_channels': 32,
            'model.bbox_head.in_channels': 32,
            'model.bbox_head.feat_channels': 32,
        },
    ),
    'half-the-scenes': dict(
        config=f'{_folder}narrow_fpn{_end}',
        overrides={'train_dataloader.dataset.indices': 400},
    ),
}
