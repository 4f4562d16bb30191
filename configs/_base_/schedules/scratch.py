"""Training from scratch: a short warm-up, then a cosine that reaches 0 at the last epoch.

The cosine follows ``train_cfg.max_epochs``, so that this key alone sets the length of a training.
The learning rate is for batches of two, which learn faster here than larger ones, because a short
training needs many steps. The detector is validated once, at the end.
"""

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
