"""The test set of a plan, written again at several severities of clutter injection."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ..coco import Annotations, Detections
from ..datasets.injection import ClutterInjection, doses_record, write_doses
from ..errors import UserError
from ..io import differences, read_json
from ..processors import Progress, silent
from .config import coco_files
from .plan import Plan


def write_severities(
    plan: Plan, folder: Path, config: Config, progress: Progress = silent
) -> dict[str, Any]:
    """Write the test set at the severities of a plan into ``FOLDER/injected``, unless it is there.

    Distractors are cut from the training set.

    Args:
        plan: The plan.
        folder: Folder of the sweep.
        config: The whole config of the baseline.
        progress: Wraps the images.

    Returns:
        The changes of a config that test a detector on it.

    Raises:
        UserError: The folder holds other severities or those of another test set, an image cannot
            be read, or the test set of the config is not a plain COCO set.
    """
    out = folder / 'injected'
    test, train = coco_files(config.test_dataloader), coco_files(config.train_dataloader)
    if out.is_dir():
        stored = read_json(out / 'injection.json')
        expected = doses_record(test.annotations, plan.severities)
        del expected['annotations']  # the folder, or the test set, may have been moved
        if 'content' not in stored:  # version 0.1
            del expected['content']
        changes = differences(stored, expected)
        if changes:
            raise UserError(
                f'{out} was made for another plan ({changes}): give another folder for the sweep'
            )
    else:
        injection = ClutterInjection(*train, severity=max(plan.severities))
        write_doses(*test, out, injection, plan.severities, progress=progress)
    dataset = 'test_dataloader.dataset'
    return {
        f'{dataset}.data_root': str(out),
        f'{dataset}.ann_file': 'annotations.json',
        f'{dataset}.data_prefix.img': 'images/',
        'test_evaluator.ann_file': str(out / 'annotations.json'),
    }


def clean_images(annotations: Annotations) -> np.ndarray:
    """Return which images of a test set at several severities have no distractors, ``(I,)``."""
    return np.array(annotations.image_field('severity')) == 0


def annotations_of(annotations: Annotations, kept: np.ndarray) -> Annotations:
    """Return the annotations of some of the images; ``kept`` is ``(I,)`` bool."""
    images = np.flatnonzero(kept)
    objects = np.flatnonzero(kept[annotations.image])
    return replace(
        annotations,
        image_ids=[annotations.image_ids[i] for i in images],
        file_names=[annotations.file_names[i] for i in images],
        image_sizes=annotations.image_sizes[images],
        image_records=[annotations.image_records[i] for i in images],
        ids=annotations.ids[objects],
        image=_numbered(kept)[annotations.image[objects]],
        category=annotations.category[objects],
        boxes=annotations.boxes[objects],
        area=annotations.area[objects],
        iscrowd=annotations.iscrowd[objects],
        ignore=annotations.ignore[objects],
        records=[annotations.records[i] for i in objects],
    )


def detections_of(detections: Detections, kept: np.ndarray) -> Detections:
    """Return the detections on some of the images; ``kept`` is ``(I,)`` bool."""
    rows = np.flatnonzero(kept[detections.image])
    return replace(
        detections,
        image=_numbered(kept)[detections.image[rows]],
        category=detections.category[rows],
        boxes=detections.boxes[rows],
        scores=detections.scores[rows],
        area=detections.area[rows],
        masks=None if detections.masks is None else [detections.masks[i] for i in rows],
    )


def _numbered(kept: np.ndarray) -> np.ndarray:
    """Return the number of each image among those kept, ``(I,)``."""
    return (np.cumsum(kept) - 1).astype(np.int32)
