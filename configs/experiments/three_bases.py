"""Whether the answer on the digits depends on the detector that was trained first: three of them.

spatialattn scenes --out data/clutter_digits_mixed --images 6000 --mixed
spatialattn sweep configs/experiments/three_bases.py --jobs 2

The four most telling arms of clutter_digits.py, each fine-tuned from three baselines of other
seeds. The seeds of fine-tuning are crossed with the bases.
"""

_base_ = 'clutter_digits.py'
seeds = [0, 1, 2]
dose = None
start = dict(seeds=[0, 1, 2])
_folder = '../clutter_digits/retinanet_r18-narrow'
_end = '_4e_clutter-digits.py'
arms = {
    '_delete_': True,
    'baseline': f'{_folder}_fpn{_end}',
    'control': f'{_folder}-control-c3-c5_fpn{_end}',
    'cbam-backbone': f'{_folder}-cbam-c3-c5_fpn{_end}',
    'gate-neck': f'{_folder}_fpn-gate{_end}',
    'tenth-of-the-data': dict(
        config=f'{_folder}_fpn{_end}', overrides={'train_dataloader.dataset.indices': -60}
    ),
}
