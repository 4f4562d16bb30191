"""The package's nodes of MMEngine's registries, which resolve ``type='mmdet_spatialattn.CBAM'``."""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

SCOPE = 'mmdet_spatialattn'

MODELS = Registry(
    'model',
    parent=MMENGINE_MODELS,
    scope=SCOPE,
    locations=['mmdet_spatialattn.attention', 'mmdet_spatialattn.insertion'],
)

DATASETS = Registry(
    'dataset',
    parent=MMENGINE_DATASETS,
    scope=SCOPE,
    locations=['mmdet_spatialattn.experiments.resumable'],
)

DATA_SAMPLERS = Registry(
    'data sampler',
    parent=MMENGINE_DATA_SAMPLERS,
    scope=SCOPE,
    locations=['mmdet_spatialattn.experiments.resumable'],
)

HOOKS = Registry(
    'hook',
    parent=MMENGINE_HOOKS,
    scope=SCOPE,
    locations=[
        'mmdet_spatialattn.experiments.jitter',
        'mmdet_spatialattn.experiments.resumable',
        'mmdet_spatialattn.experiments.guards',
        'mmdet_spatialattn.insertion.health_hook',
    ],
)

TRANSFORMS = Registry(
    'transform',
    parent=MMENGINE_TRANSFORMS,
    scope=SCOPE,
    locations=['mmdet_spatialattn.datasets.injection'],
)

METRICS = Registry(
    'metric',
    parent=MMENGINE_METRICS,
    scope=SCOPE,
    locations=['mmdet_spatialattn.evaluation.coco_metric'],
)
