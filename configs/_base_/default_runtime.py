"""Run-time settings: MMDetection's, with this package imported and one checkpoint kept."""

_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmdet_spatialattn'])
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
