"""Does the instrument see what is there? A better, a worse and an equal arm, trained longer.

spatialattn scenes --out data/clutter_digits
spatialattn sweep configs/experiments/controls.py --jobs 2

After four epochs the seeds of one arm differ as much as arms do; after eight, less. The baseline
again with other seeds must show no effect, twice the width must help, a quarter of the training
must hurt. Results: configs/clutter_digits/controls.yml.
"""

baseline = 'baseline'
seeds = [0, 1, 2]
dose = 'level'
group_by = 'scene'
overrides = {'train_cfg.max_epochs': 8}
_narrow = '../clutter_digits/retinanet_r18-narrow_fpn_4e_clutter-digits.py'
arms = {
    'baseline': _narrow,
    'baseline-again': dict(config=_narrow, seeds=[3, 4, 5]),
    'wide': '../clutter_digits/retinanet_r18-wide_fpn_4e_clutter-digits.py',
    'quarter': dict(config=_narrow, overrides={'train_cfg.max_epochs': 2}),
}
