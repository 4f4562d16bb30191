"""Find a user's mistakes before a run begins: before it writes anything.

Only what is known to be a mistake is reported. Whatever else goes wrong in a run keeps its
traceback.
"""

import inspect
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingFile, UserError, did_you_mean, error_prefix
from ..insertion.attach import SLOTS
from ..io import read_json

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.registry import Registry
    from torch import nn


COCO_KEYS = ('images', 'annotations', 'categories')
READ_WHOLE = 2**25
"""Annotation files up to 32 MiB are read twice; of larger ones only the ends are looked at."""


def check_data(config: 'Config', *dataloaders: str) -> None:
    """Check that the data of the named dataloaders is there and, where it is COCO, is COCO.

    Raises:
        UserError: A folder or file is absent, a file is not COCO, or lacks a class of the config.
    """
    for dataloader in dataloaders:
        if config.get(dataloader):
            options = config[dataloader]
            if options.get('persistent_workers') and not options.get('num_workers'):
                raise UserError(
                    f'{dataloader}: persistent_workers goes with num_workers > 0; add '
                    f'--cfg-options {dataloader}.persistent_workers=False'
                )
            for place, dataset in _datasets(options.get('dataset'), dataloader):
                _check_dataset(config, place, dataset, with_truth='test' not in dataloader)
    evaluators = {name.replace('_dataloader', '_evaluator') for name in dataloaders}
    for evaluator in sorted(evaluators & set(config)):
        for metric in _listed(config[evaluator]):
            path = metric.get('ann_file') if isinstance(metric, dict) else None
            if path and _is_local(path) and not Path(path).is_file():
                raise MissingFile(
                    f'{evaluator}: annotation file {path} does not exist; give its place with '
                    f'--cfg-options {evaluator}.ann_file=FILE'
                )


def build_checked_model(config: 'Config') -> 'nn.Module':
    """Build the config's model, only to see that it can be built.

    Raises:
        UserError: A type or an attention module has an unknown name, or a position is wrong.
    """
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    from ..compat.quiet import quiet

    for path, part in _parts(config.model, 'model'):
        _check_attention(path, part)
        if isinstance(part.get('plugins'), list):
            _check_plugins(path, part)
    scope = config.get('default_scope', 'mmdet')
    try:
        with quiet(), DefaultScope.overwrite_default_scope(scope):
            return MODELS.build(config.model)
    except UserError as error:
        raise type(error)(re.sub(r'^(class `\w+` in \S+: )+', '', str(error))) from error
    except KeyError as error:
        unknown = re.search(r'(\S+) is not in the \S+ registry', str(error.args[0]))
        if unknown is None:
            raise
        name = unknown.group(1)
        raise UserError(
            f"model: no module is registered as '{name}'{did_you_mean(name, MODELS.module_dict)} "
            '(a module of your own: name its file in custom_imports)'
        ) from error


def check_checkpoint(model: 'nn.Module', path: str, purpose: str) -> None:
    """Check that a checkpoint is one of this model.

    Args:
        model: Takes the weights, as far as they fit.
        path: File or address.
        purpose: ``'test'`` and ``'resume'`` need every weight; ``'start'`` (fine-tuning, where a
            head may differ and attention may be new) needs half of them.

    Raises:
        UserError: The file cannot be read, or its weights do not fit; the message counts them.
    """
    from ..compat.checkpoint import load_checkpoint
    from ..compat.quiet import quiet
    from ..insertion.attach import TOKEN

    checkpoint = load_checkpoint(path)
    if purpose == 'resume' and not {'meta', 'message_hub'} <= set(checkpoint):
        raise UserError(
            f'{path} holds weights but no state of a training, so there is nothing to resume; '
            f'to start from its weights: --cfg-options load_from={path}'
        )
    weights = checkpoint.get('state_dict', checkpoint)
    weights = {re.sub(r'^module\.', '', str(name)): value for name, value in weights.items()}
    own = {name for name in model.state_dict() if not name.endswith('num_batches_tracked')}
    reshaped = []
    try:
        with quiet():  # what loading says, it says again when the Runner loads
            missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        reshaped = re.findall(r'size mismatch for ([\w.]+)', str(error))
        missing, unexpected = own - set(weights), set(weights) - set(model.state_dict())
    # Loading does not report inserted attention as missing; whether it may be, is said here.
    attention = {name for name in own - set(weights) if TOKEN in name}
    missing = {name for name in missing if name in own} | attention
    wrong = {'missing': missing, 'unexpected': unexpected, 'of another shape': reshaped}
    fitting = len(own) - len(missing) - len(reshaped)
    if fitting < len(own) / 2 if purpose == 'start' else any(wrong.values()):
        counts = '; '.join(
            f'{len(names)} {what} ({", ".join(sorted(names)[:2])}{", ..." * (len(names) > 2)})'
            for what, names in wrong.items()
            if names
        )
        raise UserError(
            f'{path} is a checkpoint of another model: of {len(own)} weights {fitting} fit; '
            f'{counts}; give the config it was trained with'
        )


def _datasets(dataset: Any, place: str) -> Iterator[tuple[str, dict]]:
    """Yield the datasets that read files, below wrappers of one or of several."""
    if not isinstance(dataset, dict):
        return
    place = f'{place}.dataset'
    if 'ann_file' in dataset or 'data_root' in dataset:
        yield place, dataset
    yield from _datasets(dataset.get('dataset'), place)
    for i, one in enumerate(dataset.get('datasets', ())):
        yield from _datasets(one, f'{place}.datasets.{i}')


def _check_dataset(config: 'Config', place: str, dataset: dict, with_truth: bool) -> None:
    from mmdet.datasets import CocoDataset
    from mmdet.registry import DATASETS

    root = dataset.get('data_root') or ''
    if not _is_local(root) or dataset.get('backend_args'):
        return
    if root and not Path(root).is_dir():
        key = 'data_root' if config.get('data_root') == root else f'{place}.data_root'
        raise MissingFile(
            f'{place}: data root {root} does not exist; put the data there, or give its place with '
            f'--cfg-options {key}=DIR'
        )
    if not dataset.get('ann_file'):
        return
    path = Path(root, dataset['ann_file'])
    if not path.is_file():
        raise MissingFile(
            f'{place}: annotation file {path} does not exist; put it there, or give its place with '
            f'--cfg-options {place}.ann_file=FILE'
        )
    cls = _subclass(DATASETS, dataset.get('type'), CocoDataset)
    if cls is None:
        return
    keys = COCO_KEYS if with_truth else ('images', 'categories')
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
                f"{place}: class '{name}' is not among the categories of {path}"
                f'{did_you_mean(name, map(str, names))} (it has: {_some(names)}); set '
                'metainfo=dict(classes=(...)) of every dataset to the classes of your data'
            )
    folder = Path(root, (dataset.get('data_prefix') or {}).get('img', ''))
    first = next((image.get('file_name') for image in content['images']), None)
    if first and not (folder / first).is_file():
        raise MissingFile(
            f'{place}: image {folder / first}, the first of {path}, does not exist; data_prefix '
            'says where images are, below data_root'
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
                f"{path} is not a COCO annotation file: no list '{key}'"
                f'{did_you_mean(key, content)} (it has: {_some(content)})'
            )
        if not all(isinstance(entry, dict) for entry in content[key]):
            raise UserError(f"{path} is not a COCO annotation file: '{key}' must hold objects")


def _check_ends(path: Path, keys: tuple[str, ...]) -> None:
    with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        whole = content[:64].lstrip()[:1] == b'{' and content[-64:].rstrip()[-1:] == b'}'
        missing = [key for key in keys if content.find(f'"{key}"'.encode()) < 0]
    if not whole:
        raise UserError(f'{path} is not a COCO annotation file: not one JSON object, or cut off')
    if missing:
        raise UserError(f"{path} is not a COCO annotation file: no list '{missing[0]}'")


def _parts(config: Any, path: str) -> Iterator[tuple[str, dict]]:
    """Yield every dictionary below ``config`` with its path."""
    if isinstance(config, dict):
        yield path, config
        items = list(config.items())
    else:
        items = list(enumerate(config)) if isinstance(config, (list, tuple)) else []
    for key, value in items:
        yield from _parts(value, f'{path}.{key}')


def _check_attention(path: str, part: dict) -> None:
    """Refuse a type in our scope that we do not have, with the nearest one that we have."""
    from ..attention.catalogue import find_attention
    from ..registry import MODELS

    name = part.get('type')
    if isinstance(name, str) and name.startswith(f'{MODELS.scope}.'):
        MODELS.import_from_location()
        if name.split('.', 1)[1] not in MODELS.module_dict:
            with error_prefix(path):
                find_attention(name)


def _check_plugins(path: str, part: dict) -> None:
    """Say what MMDetection's ResNets assert without a word about their plugins."""
    from mmdet.models.backbones.resnet import BasicBlock, ResNet
    from mmdet.registry import MODELS

    cls = _subclass(MODELS, part.get('type'), ResNet)
    if cls is None:
        return
    block = cls.arch_settings.get(part.get('depth'), (None,))[0]
    if block is BasicBlock:
        raise UserError(
            f'{path}: ResNet-{part["depth"]} takes no plugins (its blocks have no place for them); '
            f"use dict(type='mmdet_spatialattn.WithAttention', of='{part['type']}', attention=...)"
        )
    stages = part.get('num_stages', 4)
    for i, plugin in enumerate(part['plugins']):
        where = f'{path}.plugins.{i}'
        position = plugin.get('position')
        if position not in SLOTS:
            raise UserError(
                f"{where}: no position '{position}'{did_you_mean(position, SLOTS)} "
                f'(known: {", ".join(SLOTS)})'
            )
        chosen = plugin.get('stages')
        if chosen is not None and len(chosen) != stages:
            raise UserError(
                f'{where}: stages must say True or False for each of {stages} stages, got {chosen}'
            )


def _subclass(registry: 'Registry', kind: Any, base: type) -> Any:
    """Return the class that a config's ``type`` means if it is a kind of ``base``, else None."""
    cls = registry.get(kind) if isinstance(kind, str) else kind
    return cls if inspect.isclass(cls) and issubclass(cls, base) else None


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _is_local(path: Any) -> bool:
    return isinstance(path, (str, Path)) and '://' not in str(path)


def _some(names: Any, count: int = 8) -> str:
    shown = list(map(str, names))
    return ', '.join(shown[:count]) + ', ...' * (len(shown) > count)
