"""Attention on the clutter digits: sixteen arms with three seeds each.

spatialattn scenes --out data/clutter_digits
spatialattn sweep configs/experiments/clutter_digits.py --jobs 2

The control has as many parameters as CBAM and no attention. Three arms check the method itself: the
baseline with other seeds must have no effect, twice the width must help, and a quarter of the
training must hurt. The results are in configs/clutter_digits/metafile.yml.
"""

baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2]
dose = 'level'
group_by = 'scene'
_folder = '../clutter_digits/retinanet_r18-'
_end = '_4e_clutter-digits.py'
arms = {
    'baseline': f'{_folder}narrow_fpn{_end}',
    'control': f'{_folder}narrow-control-c3-c5_fpn{_end}',
    'wide': f'{_folder}wide_fpn{_end}',
    'cbam-backbone': f'{_folder}narrow-cbam-c3-c5_fpn{_end}',
    'cbam-neck': f'{_folder}narrow_fpn-cbam{_end}',
    'gate-backbone': f'{_folder}narrow-gate-c3-c5_fpn{_end}',
    'se-backbone': f'{_folder}narrow-se-c3-c5_fpn{_end}',
    'eca-backbone': f'{_folder}narrow-eca-c3-c5_fpn{_end}',
    'coord-backbone': f'{_folder}narrow-coord-c3-c5_fpn{_end}',
    'simam-backbone': f'{_folder}narrow-simam-c3-c5_fpn{_end}',
    'gc-backbone': f'{_folder}narrow-gc-c3-c5_fpn{_end}',
    'sa-backbone': f'{_folder}narrow-sa-c3-c5_fpn{_end}',
    'coord-neck': f'{_folder}narrow_fpn-coord{_end}',
    'ltp-neck': f'{_folder}narrow_fpn-ltp{_end}',
    'baseline-again': dict(config=f'{_folder}narrow_fpn{_end}', seeds=[3, 4, 5]),
    'quarter': dict(config=f'{_folder}narrow_fpn{_end}', overrides={'train_cfg.max_epochs': 1}),
}
