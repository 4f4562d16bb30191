"""A detector's config on one's own images: its files, its classes, and what evaluates it."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ..coco import Annotations
from ..errors import MissingFile, UserError
from ..insertion.walk import datasets, dictionaries
from .config import CocoFiles, iou_types

HELD_OUT = 0.2
"""Share of the images that are held out for the test, where one annotation file is given."""

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def split_images(content: Mapping[str, Any], *, seed: int = 0) -> tuple[dict, dict]:
    """Split the content of a COCO annotation file by images, at random.

    Args:
        content: ``images``, ``annotations``, ``categories``, and whatever else.
        seed: Seed of the split.

    Returns:
        The training set, and the test set with :data:`HELD_OUT` of the images.
    """
    ids = [image['id'] for image in content['images']]
    n_test = max(round(HELD_OUT * len(ids)), 1)
    held_out = {ids[i] for i in np.random.default_rng(seed).permutation(len(ids))[:n_test]}

    def part(test: bool) -> dict:
        chosen = {
            key: [entry for entry in content[key] if (entry[name] in held_out) == test]
            for key, name in (('images', 'id'), ('annotations', 'image_id'))
        }
        return {**content, **chosen}

    return part(test=False), part(test=True)


def check_images(annotations: Annotations, folder: Path) -> None:
    """Check that the images of an annotation file are there.

    Raises:
        MissingFile: Some are not; the message counts them and names the first.
    """
    missing = [name for name in annotations.file_names if not (folder / name).is_file()]
    if missing:
        raise MissingFile(
            f'{len(missing)} of the {len(annotations.file_names)} images of {annotations.source} '
            f'are not in {folder} ({", ".join(missing[:3])}{", ..." if missing[3:] else ""}); give '
            'their folder with --images'
        )


def check_masks(configs: Iterable[Config], annotations: Annotations) -> None:
    """Check that annotations have masks where detectors are tested by masks.

    Raises:
        UserError: They lack some.
    """
    if 'segm' not in iou_types(configs):
        return
    try:
        annotations.masks  # noqa: B018  reads and checks them
    except UserError as error:
        raise UserError(
            f'the detector is tested by masks, but {error}; give annotations with masks, or a '
            'detector without a mask head'
        ) from error


def classes_of(config: Config) -> tuple[str, ...]:
    """Return the classes that the config's test set is made of."""
    from mmdet.registry import DATASETS

    _key, dataset = next(datasets(config.test_dataloader, 'test_dataloader'))
    kind = dataset['type']
    cls = DATASETS.get(kind) if isinstance(kind, str) else kind
    own = (dataset.get('metainfo') or {}).get('classes')
    classes = own or getattr(cls, 'METAINFO', {}).get('classes') or ()
    return (classes,) if isinstance(classes, str) else tuple(classes)


def on_own_data(
    config: Config, train: CocoFiles, test: CocoFiles, classes: Sequence[str]
) -> Config:
    """Return the config with other data: files, classes, the sizes of heads, evaluators.

    Pipelines, samplers and wrappers of data sets stay; several joined data sets become one.

    Args:
        config: The whole config of a detector.
        train: What it is trained on.
        test: What it is validated and tested on.
        classes: Names of the classes, in the order of the labels.

    Raises:
        UserError: The config has no data loaders to change.
    """
    config = copy.deepcopy(config)
    for loader in ('train_dataloader', 'test_dataloader'):
        if not config.get(loader):
            raise UserError(f"the config has no '{loader}', so it cannot be trained and tested")
    for loader in filter(config.get, LOADERS):
        files = train if loader.startswith('train') else test
        config[loader].dataset = _moved(config[loader].dataset, files, classes)
    for evaluator in ('val_evaluator', 'test_evaluator'):
        if config.get(evaluator):
            config[evaluator] = _evaluator(config[evaluator], test)
    for _key, part in dictionaries(config.model):
        if 'num_classes' in part:
            part['num_classes'] = len(classes)
    config.pop('data_root', None)
    return config


def _moved(dataset: Any, files: CocoFiles, classes: Sequence[str]) -> Any:
    """Return the config of a data set with other files; wrappers are kept around it."""
    if 'dataset' in dataset:
        return {**dataset, 'dataset': _moved(dataset['dataset'], files, classes)}
    if 'datasets' in dataset:
        return _moved(dataset['datasets'][0], files, classes)
    kept = {key: value for key, value in dataset.items() if key not in ('data_root', 'img_suffix')}
    return {
        **kept,
        'type': 'mmdet.CocoDataset',
        'ann_file': str(files.annotations),
        'data_prefix': dict(img=f'{files.images}/'),
        'metainfo': dict(classes=tuple(classes)),
    }


def _evaluator(evaluator: Any, test: CocoFiles) -> dict[str, Any]:
    """Return COCO's metric on the test set, with the options that an evaluator has."""
    first = evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator
    known = ('metric', 'proposal_nums', 'iou_thrs', 'backend_args')
    options = {key: first[key] for key in known if key in first} if 'Coco' in str(first) else {}
    return {
        'type': 'mmdet.CocoMetric',
        'metric': 'bbox',
        **options,
        'ann_file': str(test.annotations),
    }
