"""A check of the method with an arm that is really better: twice the width, trained longer.

spatialattn scenes --out data/clutter_digits
spatialattn sweep configs/experiments/width.py --jobs 2

After the four epochs of the other plan, the seeds of one arm differ as much as the arms do; after
twelve epochs they differ less. To keep the training short, half the width is compared with the
whole. The results are in configs/clutter_digits/width.yml.
"""

baseline = 'half'
seeds = [0, 1, 2]
dose = 'level'
group_by = 'scene'
overrides = {'train_cfg.max_epochs': 12}
_narrow = '../clutter_digits/retinanet_r18-narrow_fpn_4e_clutter-digits.py'
_half = {
    'model.backbone.base_channels': 16,
    'model.neck.in_channels': [16, 32, 64, 128],
    'model.neck.out_channels': 32,
    'model.bbox_head.in_channels': 32,
    'model.bbox_head.feat_channels': 32,
}
arms = {
    'half': dict(config=_narrow, overrides=_half),
    'narrow': _narrow,
}
