"""The demo: CBAM in the backbone and in the neck against no attention, with two seeds each.

It trains for three epochs instead of the configs' four, so that it ends in a quarter of an hour.

spatialattn demo

The command is the same as

spatialattn scenes --out data/clutter_digits
spatialattn sweep configs/experiments/demo.py --jobs 2
"""

baseline = 'baseline'
seeds = [0, 1]
dose = 'level'
group_by = 'scene'
overrides = {'train_cfg.max_epochs': 3}
arms = {
    'baseline': '../clutter_digits/retinanet_r18-narrow_fpn_4e_clutter-digits.py',
    'cbam-backbone': '../clutter_digits/retinanet_r18-narrow-cbam-c3-c5_fpn_4e_clutter-digits.py',
    'cbam-neck': '../clutter_digits/retinanet_r18-narrow_fpn-cbam_4e_clutter-digits.py',
}
