"""Our nodes of mmengine's registries, so that ``type='mmdet_spatialattn.CBAM'`` is found."""

from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

SCOPE = 'mmdet_spatialattn'

MODELS = Registry(
    'model',
    parent=MMENGINE_MODELS,
    scope=SCOPE,
    locations=['mmdet_spatialattn.attention', 'mmdet_spatialattn.insertion'],
)
