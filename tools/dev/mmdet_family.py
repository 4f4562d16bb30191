"""Try some of MMDetection's model families in this process, and print the outcome as JSON.

    python tools/dev/mmdet_family.py retinanet faster_rcnn

A family is a folder of MMDetection's configs, its model the config with the plainest name. The
model starts from random weights (nothing is downloaded), makes one step of SGD on random images
and predicts, all on the CPU. Score thresholds are 0, or nothing would come after them.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.structures import InstanceData

import mmdet_spatialattn  # noqa: F401  (puts the operators in place)

# Families whose pyramids need more pixels than the 128 of the others.
LARGE = (
    'centripetalnet', 'cornernet', 'dino', 'efficientnet', 'nas_fpn', 'resnest', 'ssd', 'v3det',
)  # fmt: skip
THRESHOLDS = ('score_thr', 'conf_thr', 'filter_thr')


def config_folder() -> Path:
    """Return the folder of MMDetection's configs, in its installed package."""
    return Path(str(metadata.distribution('mmdet').locate_file('mmdet'))) / '.mim' / 'configs'


def families() -> dict[str, str]:
    """Return the config of each family, relative to :func:`config_folder`."""
    chosen = {}
    for folder in sorted(path for path in config_folder().iterdir() if path.is_dir()):
        names = [p.name for p in folder.glob('*.py') if not p.name.endswith('_tta.py')]
        if folder.name not in ('_base_', 'common') and names:  # these hold parts, without a model
            chosen[folder.name] = f'{folder.name}/{min(names, key=lambda n: _rank(folder.name, n))}'
    return chosen


def try_family(family: str) -> dict[str, Any]:
    """Return how far the family comes: 'stage' and 'error', empty if it passes, and 'operators'."""
    operators: set[str] = set()
    stages, error = [], ''
    try:
        stages.extend(_stages(family, operators))
    except Exception as exception:
        error = ' '.join(f'{type(exception).__name__}: {exception}'.split())
        error = error.partition(', the current sys.path is')[0]  # it names this machine's folders
    return dict(stage=stages[-1] if error else '', error=error, operators=sorted(operators))


def _rank(family: str, name: str) -> tuple:
    """Sort configs that bear the family's name first, then ResNet-50, then short names."""
    plain = name.replace('-', '_')
    return not plain.startswith(f'{family}_'), 'r50' not in plain, len(name), name


def _stages(family: str, operators: set[str]) -> Iterator[str]:
    """Do the work, and name each stage before it begins."""
    yield 'build'
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    logging.disable(logging.INFO)  # every initialised parameter
    torch.manual_seed(0)
    os.chdir(config_folder().parent)  # configs of teachers are named relative to it
    register_all_modules()
    for counter in ('iter', 'epoch'):
        MessageHub.get_current_instance().update_info(counter, 0)  # as the Runner does
    _note_calls(operators)
    config = Config.fromfile(config_folder() / families()[family])
    if 'data_preprocessor' in config:
        config.model.setdefault('data_preprocessor', config.data_preprocessor)
    _start_from_scratch(config.model)
    model = MODELS.build(config.model)
    model.init_weights()
    model = revert_sync_batchnorm(model)  # as the Runner does in a single process
    size = 320 if family in LARGE else 128

    yield 'train'
    model.train()
    data = model.data_preprocessor(_data(config, size, training=True), True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    if not torch.isfinite(loss):
        raise ArithmeticError(f'the loss is {loss.item()}')
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, 1e-4)
    loss.backward()
    if not any(parameter.grad is not None and parameter.grad.any() for parameter in parameters):
        raise ArithmeticError('no parameter has a gradient')
    optimizer.step()

    yield 'predict'
    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(_data(config, size, training=False), False)
        predictions = model(**data, mode='predict')
    if not predictions:
        raise ValueError('no predictions')


def _note_calls(operators: set[str]) -> None:
    """Add the name of each operator that is called to ``operators``."""
    from mmcv import _ext

    from mmdet_spatialattn.compat.operators import OPERATORS

    def noting(name, function):
        def noted(*args, **kwargs):
            operators.add(name)
            return function(*args, **kwargs)

        return noted

    for operator in OPERATORS:
        for function in operator.functions:
            setattr(_ext, function, noting(operator.name, getattr(_ext, function)))


def _start_from_scratch(node: Any) -> None:
    """Take downloads out of a config and score thresholds down to 0, in place."""
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, (dict, list, tuple)):
            _start_from_scratch(value)
    if not isinstance(node, dict):
        return
    if 'checkpoint' in (node.get('init_cfg') or {}):
        node['init_cfg'] = None
    if node.get('pretrained'):
        node['pretrained'] = None
    if 'teacher_ckpt' in node:
        node['teacher_ckpt'] = None
    if node.get('type') == 'ScoreHLRSampler':
        node['score_thr'] = 0.0  # 0.05 when a config is silent
    for name in THRESHOLDS:
        if isinstance(node.get(name), float):
            node[name] = 0.0


def _data(config: Config, size: int, training: bool) -> dict[str, Any]:
    """Return a batch as the data loader gives it to the model's preprocessor."""
    from mmdet.testing import demo_track_inputs

    preprocessor = config.model.data_preprocessor.type
    if preprocessor == 'TrackDataPreprocessor':
        return demo_track_inputs(
            num_frames=2,
            key_frames_inds=[0],
            image_shapes=(3, size, size),
            num_classes=_num_classes(config.model),
            with_mask=_loads_masks(config.get('train_dataloader', {})),
        )
    batch = _images(config, size, 2 if training else 1)
    if preprocessor == 'MultiBranchDataPreprocessor' and training:
        branches = ('sup', 'unsup_teacher', 'unsup_student')
        copies = {branch: _images(config, size, 2) for branch in branches}
        return {key: {name: copy[key] for name, copy in copies.items()} for key in batch}
    return batch


def _images(config: Config, size: int, count: int) -> dict[str, Any]:
    import numpy as np
    from mmdet.testing import demo_mm_inputs, demo_mm_proposals

    np.random.seed(0)
    shape = (3, size, size)
    masks = _loads_masks(config.get('train_dataloader', {}))
    batch = demo_mm_inputs(count, shape, [4] * count, with_mask=masks, with_semantic=True)
    for sample, proposals in zip(batch['data_samples'], demo_mm_proposals([shape] * count, 50)):
        sample.gt_instances.labels %= _num_classes(config.model)
        if 'rpn_head' not in config.model:  # Fast R-CNN takes them from the data
            sample.proposals = InstanceData(bboxes=proposals.bboxes, scores=proposals.scores)
        sample.set_metainfo(dict(homography_matrix=np.eye(3, dtype=np.float32)))
    return batch


def _loads_masks(node: Any) -> bool:
    """Tell whether any pipeline of a data loader loads masks."""
    if isinstance(node, dict):
        if node.get('with_mask') or node.get('type') == 'LoadPanopticAnnotations':
            return True
        node = node.values()
    return any(_loads_masks(part) for part in node if isinstance(part, (dict, list, tuple)))


def _num_classes(node: Any, default: int = 10) -> int:
    """Return the least number of classes that any part of a config has."""
    parts = node.values() if isinstance(node, dict) else node
    numbers = [_num_classes(part) for part in parts if isinstance(part, (dict, list, tuple))]
    if isinstance(node, dict) and isinstance(node.get('num_classes'), int):
        numbers.append(node['num_classes'])
    return min(numbers, default=default)


if __name__ == '__main__':
    if not sys.argv[1:] or not set(sys.argv[1:]) <= set(families()):
        sys.exit(f'usage: python {sys.argv[0]} FAMILY ..., of {", ".join(families())}')
    print(json.dumps({family: try_family(family) for family in sys.argv[1:]}))
