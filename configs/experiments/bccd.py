"""Attention on blood cells: six arms with three seeds each.

spatialattn sweep configs/experiments/bccd.py --jobs 2 --cfg-options data_root=DIR

The control has as many parameters as CBAM and no attention. The results are in
configs/bccd/metafile.yml.
"""

baseline = 'baseline'
control = 'control'
seeds = [0, 1, 2]
severities = [1, 3, 5]
_folder = '../bccd/retinanet_r18-narrow'
_end = '_6e_bccd.py'
arms = {
    'baseline': f'{_folder}_fpn{_end}',
    'control': f'{_folder}-control-c3-c5_fpn{_end}',
    'cbam-backbone': f'{_folder}-cbam-c3-c5_fpn{_end}',
    'cbam-neck': f'{_folder}_fpn-cbam{_end}',
    'coord-backbone': f'{_folder}-coord-c3-c5_fpn{_end}',
    'gc-backbone': f'{_folder}-gc-c3-c5_fpn{_end}',
}
