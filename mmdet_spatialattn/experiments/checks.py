"""Checks of a config, its data and its checkpoint, before a run writes anything.

Only known mistakes are reported. Any other error of a run keeps its traceback.
"""

import inspect
import mmap
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingFile, UserError, did_you_mean, error_prefix
from ..insertion.walk import datasets, dictionaries
from ..io import read_json

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.registry import Registry
    from torch import nn

COCO_KEYS = ('images', 'annotations', 'categories')
READ_WHOLE = 2**25
"""Size up to which an annotation file is checked whole; of larger files only the ends are."""


def check_data(config: 'Config', *dataloaders: str) -> None:
    """Check that the data of the named data loaders exists and, for COCO data sets, is COCO.

    Raises:
        MissingFile: A folder or file does not exist.
        UserError: A file is not COCO, or lacks a class of the config.
    """
    for dataloader in dataloaders:
        if config.get(dataloader):
            options = config[dataloader]
            if options.get('persistent_workers') and not options.get('num_workers'):
                raise UserError(
                    f'{dataloader}: persistent_workers needs num_workers > 0; add '
                    f'--cfg-options {dataloader}.persistent_workers=False'
                )
            for key, dataset in datasets(options, dataloader):
                _check_dataset(config, key, dataset, annotated='test' not in dataloader)
    evaluators = {name.replace('_dataloader', '_evaluator') for name in dataloaders}
    for evaluator in sorted(evaluators & set(config)):
        for metric in _listed(config[evaluator]):
            path = metric.get('ann_file') if isinstance(metric, dict) else None
            if path and _is_local(path) and not Path(path).is_file():
                raise MissingFile(
                    f'{evaluator}: annotation file {path} does not exist; give its path with '
                    f'--cfg-options {evaluator}.ann_file=FILE'
                )


def build_checked_model(config: 'Config') -> 'nn.Module':
    """Build the config's model, to check that it can be built.

    MMDetection completes ``config.model`` meanwhile: heads get the settings of their detector.

    Raises:
        UserError: A type or an attention module has an unknown name, or a position is wrong.
    """
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    from ..compat.quiet import quiet

    for path, part in dictionaries(config.model, 'model'):
        _check_attention(path, part)
        if isinstance(part.get('plugins'), list):
            _check_plugins(path, part)
    scope = config.get('default_scope', 'mmdet')
    try:
        with quiet(), DefaultScope.overwrite_default_scope(scope):
            model = MODELS.build(config.model)
            _check_initialisers(model)
            return model
    except UserError as error:
        raise type(error)(re.sub(r'^(class `\w+` in \S+: )+', '', str(error))) from error
    except KeyError as error:
        unknown = re.search(r'(\S+) is not in the .+? registry', str(error.args[0]))
        if unknown is None:
            raise
        name = unknown.group(1)
        raise UserError(
            f"model: no module is registered as '{name}'{did_you_mean(name, MODELS.module_dict)} "
            '(if it is your own, name its file in custom_imports)'
        ) from error


def _check_initialisers(model: 'nn.Module') -> None:
    """Build the initialisers of all parts, which MMEngine does when the training begins."""
    from mmengine.registry import WEIGHT_INITIALIZERS

    for path, part in model.named_modules():
        init_cfg: Any = getattr(part, 'init_cfg', None)
        for cfg in _listed(init_cfg) if init_cfg else []:
            try:
                WEIGHT_INITIALIZERS.build({k: v for k, v in cfg.items() if k != 'override'})
            except (TypeError, KeyError, AttributeError, ValueError, AssertionError) as error:
                where = '.'.join(filter(None, ('model', path, 'init_cfg')))
                raise UserError(f'{where}: {dict(cfg)} is no initialiser: {error}') from error


def check_work_dir(path: str) -> None:
    """Check that a folder can be made or written; write nothing.

    Raises:
        UserError: It cannot.
    """
    folder = Path(path).absolute()
    nearest = next(parent for parent in (folder, *folder.parents) if _exists(parent))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        reason = 'a file stands there' if nearest.is_file() else 'it cannot be written'
        raise UserError(f'--work-dir {path}: {nearest}: {reason}; give a folder elsewhere')


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # below a file, or too long
        return False


def check_checkpoint(model: 'nn.Module', path: str, purpose: str) -> None:
    """Check that a checkpoint fits a model.

    Args:
        model: The model; it takes the weights that fit.
        path: File or address of the checkpoint.
        purpose: See :func:`check_weights`; ``'resume'`` also needs the state of a training.

    Raises:
        MissingFile: The file does not exist.
        UserError: It cannot be read, or its weights do not fit; the message counts them.
    """
    from ..compat.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path)
    if purpose == 'resume':
        from .checkpoints import check_training_state

        check_training_state(checkpoint, path)
    check_weights(model, checkpoint, path, purpose)


def check_weights(model: 'nn.Module', checkpoint: dict, path: str, purpose: str) -> None:
    """Check that the weights of a loaded checkpoint fit a model.

    Args:
        model: The model; it takes the weights that fit.
        checkpoint: Content of the checkpoint.
        path: Its name, for the message.
        purpose: ``'test'`` and ``'resume'`` need every weight; ``'insert'`` needs every weight but
            those of inserted attention; ``'start'`` (fine-tuning, where a head may differ and
            attention may be new) needs half of them.

    Raises:
        UserError: The weights do not fit; the message counts them.
    """
    from ..compat.quiet import quiet
    from ..insertion.attach import TOKEN

    weights = _weights(checkpoint, path, {name.replace('.', '_') for name in model.state_dict()})
    expected = {name for name in model.state_dict() if not name.endswith('num_batches_tracked')}
    reshaped = []
    try:
        with quiet():  # the Runner logs it again when it loads
            missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        reshaped = re.findall(r'size mismatch for ([\w.]+)', str(error))
        missing, unexpected = expected - set(weights), set(weights) - set(model.state_dict())
    # Loading does not report inserted attention as missing, which only a start may lack.
    attention = {name for name in expected - set(weights) if TOKEN in name}
    missing = {name for name in missing if name in expected} | attention
    if purpose == 'insert':
        missing -= attention
    mismatches = {'missing': missing, 'unexpected': unexpected, 'of another shape': reshaped}
    fitting = len(expected) - len(missing) - len(reshaped)
    too_few = 2 * fitting < len(expected)
    if too_few if purpose == 'start' else any(mismatches.values()):
        counts = '; '.join(
            f'{len(names)} {kind} ({_some(sorted(names), 2)})'
            for kind, names in mismatches.items()
            if names
        )
        raise UserError(
            f'{path} is a checkpoint of another model: {fitting} of {len(expected)} weights fit; '
            f'{counts}; give the config it was trained with'
        )


def _weights(checkpoint: dict, path: str, flat_names: set[str]) -> dict[str, Any]:
    """Return the weights of a checkpoint by their names in the model.

    The copies that MMDetection 2 kept of averaged weights, ``ema_`` and the name with underscores,
    are left out, as MMDetection 3 leaves them out.
    """
    from torch import Tensor

    weights = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, dict):
        raise UserError(
            f"{path} is no checkpoint: its 'state_dict' is a {type(weights).__name__}, not a "
            'dictionary of weights'
        )
    named = {re.sub(r'^module\.', '', str(name)): value for name, value in weights.items()}
    named = {name: v for name, v in named.items() if name.removeprefix('ema_') not in flat_names
             or not name.startswith('ema_')}  # fmt: skip
    for name, value in named.items():
        if not isinstance(value, Tensor):
            hint = '' if 'state_dict' in checkpoint else " (it has no 'state_dict')"
            raise UserError(
                f"{path} is no checkpoint{hint}: '{name}' is a {type(value).__name__}, not a tensor"
            )
    return named


def _check_dataset(config: 'Config', key: str, dataset: dict, annotated: bool) -> None:
    from mmdet.datasets import CocoDataset
    from mmdet.registry import DATASETS

    root = dataset.get('data_root') or ''
    if not _is_local(root) or dataset.get('backend_args'):
        return
    if root and not Path(root).is_dir():
        option = 'data_root' if config.get('data_root') == root else f'{key}.data_root'
        raise MissingFile(
            f'{key}: data root {root} does not exist; put the data there, or give its path with '
            f'--cfg-options {option}=DIR'
        )
    if not dataset.get('ann_file'):
        return
    path = Path(root, dataset['ann_file'])
    if not path.is_file():
        raise MissingFile(
            f'{key}: annotation file {path} does not exist; put it there, or give its path with '
            f'--cfg-options {key}.ann_file=FILE'
        )
    cls = _subclass(DATASETS, dataset.get('type'), CocoDataset)
    if cls is None:
        return
    keys = COCO_KEYS if annotated else ('images', 'categories')
    if path.stat().st_size > READ_WHOLE:
        _check_ends(path, keys)
        return
    content = read_json(path)
    _check_coco(path, content, keys)
    classes = (dataset.get('metainfo') or {}).get('classes') or cls.METAINFO.get('classes') or ()
    names = [category.get('name') for category in content['categories']]
    if isinstance(classes, str):  # one name, or a file of names
        classes = () if Path(classes).is_file() else (classes,)
    for name in classes:
        if name not in names:
            raise UserError(
                f"{key}: class '{name}' is not among the categories of {path}"
                f'{did_you_mean(name, map(str, names))} (it has {_some(names)}); set '
                'metainfo=dict(classes=(...)) of every dataset to the classes of your data'
            )
    folder = Path(root, (dataset.get('data_prefix') or {}).get('img', ''))
    first = next((image.get('file_name') for image in content['images']), None)
    if first and not (folder / first).is_file():
        raise MissingFile(
            f'{key}: image {folder / first}, the first of {path}, does not exist; data_prefix '
            'is the folder of the images, below data_root'
        )


def _check_coco(path: Path, content: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(content, dict):
        raise UserError(
            f'{path} is not a COCO annotation file: expected an object with '
            f'{", ".join(keys)}, got a {type(content).__name__}'
        )
    for key in keys:
        if not isinstance(content.get(key), list):
            raise UserError(
                f"{path} is not a COCO annotation file: it has no list '{key}'"
                f'{did_you_mean(key, content)} (it has {_some(content)})'
            )
        if not all(isinstance(entry, dict) for entry in content[key]):
            raise UserError(f"{path} is not a COCO annotation file: '{key}' must hold objects")


def _check_ends(path: Path, keys: tuple[str, ...]) -> None:
    with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        whole = content[:64].lstrip()[:1] == b'{' and content[-64:].rstrip()[-1:] == b'}'
        missing = [key for key in keys if content.find(f'"{key}"'.encode()) < 0]
    if not whole:
        raise UserError(f'{path} is not a COCO annotation file: it is truncated or not an object')
    if missing:
        raise UserError(f"{path} is not a COCO annotation file: it has no list '{missing[0]}'")


def _check_attention(path: str, part: dict) -> None:
    """Refuse an unknown type in our scope, and name the nearest known one."""
    from ..attention.catalogue import find_attention
    from ..registry import MODELS

    name = part.get('type')
    if isinstance(name, str) and name.startswith(f'{MODELS.scope}.'):
        MODELS.import_from_location()
        if name.rpartition('.')[2] not in MODELS.module_dict:
            with error_prefix(path):
                find_attention(name)


def _check_plugins(path: str, part: dict) -> None:
    """Check the plugins of a ResNet, which MMDetection asserts without a message."""
    from mmdet.models.backbones.resnet import BasicBlock, ResNet
    from mmdet.registry import MODELS

    from ..insertion.attach import SLOTS

    cls = _subclass(MODELS, part.get('type'), ResNet)
    if cls is None:
        return
    block = cls.arch_settings.get(part.get('depth'), (None,))[0]
    if block is BasicBlock:
        raise UserError(
            f'{path}: ResNet-{part["depth"]} takes no plugins, since its blocks have no positions; '
            f"use dict(type='mmdet_spatialattn.WithAttention', of='{part['type']}', attention=...)"
        )
    stages = part.get('num_stages', 4)
    for index, plugin in enumerate(part['plugins']):
        key = f'{path}.plugins.{index}'
        position = plugin.get('position')
        if position not in SLOTS:
            raise UserError(
                f"{key}: unknown position '{position}'{did_you_mean(position, SLOTS)} "
                f'(known: {", ".join(SLOTS)})'
            )
        chosen = plugin.get('stages')
        if chosen is not None and len(chosen) != stages:
            raise UserError(
                f'{key}: stages must hold True or False for each of {stages} stages, got {chosen}'
            )


def _subclass(registry: 'Registry', kind: Any, base: type) -> Any:
    """Return the class of a config's ``type`` if it derives from ``base``, else ``None``."""
    cls = registry.get(kind) if isinstance(kind, str) else kind
    return cls if inspect.isclass(cls) and issubclass(cls, base) else None


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _is_local(path: Any) -> bool:
    return isinstance(path, (str, Path)) and '://' not in str(path)


def _some(names: Any, count: int = 8) -> str:
    texts = list(map(str, names))
    ellipsis = ', ...' if len(texts) > count else ''
    return ', '.join(texts[:count]) + ellipsis
