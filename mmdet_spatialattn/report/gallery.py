"""Galleries: the images in which an arm differs most from the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..coco import Annotations, load_detections
from ..coco.images import find_images, read_image
from ..io import PathLike
from .pictures import Box, Layer, Picture, inline_picture
from .scored_run import ScoredRun, score_run
from .selection import most_different

OBJECTS, BASELINE, ARM = 'objects', 'baseline', 'arm'
"""Names of the layers of a picture."""

OBJECT_COLOR, TRUE_COLOR, FALSE_COLOR = '#1f2933', '#0077bb', '#cc3311'
"""Colours of objects, true positives and false positives."""

PICTURES = 36
"""Number of pictures that the arms share: at least two each, at most eight."""


@dataclass(frozen=True)
class Gallery:
    """Pictures of an arm and the baseline, with the score threshold of each arm's run."""

    pictures: list[Picture]
    baseline_threshold: float
    arm_threshold: float


@dataclass(frozen=True, eq=False)
class _Arm:
    """The first run of an arm, and the mean number of errors of each image over all its runs."""

    name: str
    first: ScoredRun
    errors: np.ndarray


def galleries(
    annotations: Annotations,
    image_folder: PathLike,
    runs: Mapping[str, Sequence[PathLike]],
    *,
    baseline: str,
    group: Optional[Sequence[Any]] = None,
) -> dict[str, Gallery]:
    """Return the gallery of every arm but the baseline.

    Images are selected by the number of errors, missed objects and false positives together,
    averaged over the runs of the arm, minus that of the baseline. The pictures show the first run
    of each arm.

    Args:
        annotations: The test set.
        image_folder: Folder of its images.
        runs: Files of detections, by arm.
        baseline: The arm that the others are compared with.
        group: Group of each image; see :func:`most_different`.

    Raises:
        UserError: A file of detections or an image is missing or cannot be read.
    """
    paths = find_images(annotations, image_folder)
    number = int(np.clip(PICTURES // max(len(runs) - 1, 1), 2, 8))
    reference = _load_arm(annotations, baseline, runs[baseline])
    result = {}
    for name, files in runs.items():
        if name == baseline:
            continue
        arm = _load_arm(annotations, name, files)
        change = arm.errors - reference.errors
        pictures = [
            _picture(annotations, paths[i], i, reference, arm)
            for i in most_different(change, number, group)
        ]
        result[name] = Gallery(pictures, reference.first.threshold, arm.first.threshold)
    return result


def _load_arm(annotations: Annotations, name: str, files: Sequence[PathLike]) -> _Arm:
    runs = [score_run(annotations, load_detections(file, annotations)) for file in files]
    return _Arm(name, runs[0], np.mean([run.n_errors for run in runs], axis=0))


def _picture(
    annotations: Annotations, path: PathLike, index: int, baseline: _Arm, arm: _Arm
) -> Picture:
    """Return an image with three layers: its objects and the detections of both arms."""
    file_name = annotations.file_names[index]
    change = arm.errors[index] - baseline.errors[index]
    layers = [
        _object_layer(annotations, index),
        _detection_layer(annotations, baseline.first, index, BASELINE),
        _detection_layer(annotations, arm.first, index, ARM),
    ]
    return inline_picture(
        read_image(path, annotations.image_sizes[index]),
        layers,
        caption=f'{file_name}: {_count_errors(baseline, index)}, {_count_errors(arm, index)}; '
        f'mean change over all runs: {change:+.1f} errors',
        alt=f'{file_name} with its objects and the detections of both arms',
    )


def _count_errors(arm: _Arm, index: int) -> str:
    return f'{arm.name} {arm.first.n_missed[index]} missed, {arm.first.n_false[index]} false'


def _object_layer(annotations: Annotations, index: int) -> Layer:
    objects = np.flatnonzero((annotations.image == index) & ~annotations.iscrowd)
    boxes = []
    for i in objects:
        name = annotations.category_names[annotations.category[i]]
        boxes.append(Box(annotations.boxes[i].tolist(), OBJECT_COLOR, f'object: {name}'))
    return Layer(OBJECTS, boxes)


def _detection_layer(annotations: Annotations, run: ScoredRun, index: int, layer: str) -> Layer:
    detections, boxes = run.detections, []
    for kept, color, status in (
        (run.true_positives, TRUE_COLOR, 'true positive'),
        (run.false_positives, FALSE_COLOR, 'false positive'),
    ):
        for i in np.flatnonzero(kept & (detections.image == index)):
            name = annotations.category_names[detections.category[i]]
            title = f'{status}: {name}, score {detections.scores[i]:.2f}'
            box = detections.boxes[i].tolist()
            boxes.append(Box(box, color, title, name, dashed=kept is run.false_positives))
    return Layer(layer, boxes)
