"""Twice the width of the backbone, and no attention: what plain capacity is worth.

spatialattn train configs/clutter_digits/retinanet_r18-wide_fpn_4e_clutter-digits.py
"""

_base_ = './retinanet_r18-narrow_fpn_4e_clutter-digits.py'
model = dict(backbone=dict(base_channels=64), neck=dict(in_channels=[64, 128, 256, 512]))
