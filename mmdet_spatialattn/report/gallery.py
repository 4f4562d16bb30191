"""Galleries: the images in which an arm differs most from the baseline, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

import numpy as np

from ..clutter import Stratification
from ..clutter.scopes import charged_strata
from ..coco import Annotations, load_detections
from ..coco.images import find_images, read_image
from ..evaluation import ERROR_TYPES
from ..io import PathLike
from .pictures import Box, Layer, Picture, inline_picture, mask_outline
from .scored_run import RunErrors, ScoredRun, classify_errors, score_run
from .selection import most_different

OBJECT_COLOR, TRUE_COLOR, FALSE_COLOR, MISSED_COLOR = '#1f2933', '#0077bb', '#cc3311', '#8a2a9c'
"""Colours of objects, true positives, false positives and missed objects."""

MISSED = ERROR_TYPES[-1]

PICTURES = 60
"""Number of pictures that the arms share: at least two each, at most eight."""


class Error(NamedTuple):
    """What an error is about, for a reader who looks for errors of one kind.

    Attributes:
        stratum: Stratum of the object, or the one that a false positive is charged to.
        category: Class of the object, or of the false positive.
        type: Error type, one of :data:`ERROR_TYPES`.
    """

    stratum: str
    category: str
    type: str


@dataclass(frozen=True)
class Pair:
    """An image with what an arm detects, beside what the baseline detects in it.

    Attributes:
        image: Index of the image.
        arm: The detections and missed objects of the arm.
        errors: The errors of both.
        caption: Text below the pictures.
        counts: Text below each picture: of the baseline, and of the arm.
    """

    image: int
    arm: Layer
    errors: list[Error]
    caption: str
    counts: tuple[str, str]


@dataclass(frozen=True)
class Gallery:
    """The images of an arm, with the score threshold of its run and of the baseline's."""

    pairs: list[Pair]
    baseline_threshold: float
    arm_threshold: float

    def choices(self) -> dict[str, list[str]]:
        """Return the strata, classes and types of the errors in the images."""
        errors = [error for pair in self.pairs for error in pair.errors]
        return {
            'stratum': sorted({error.stratum for error in errors}),
            'class': sorted({error.category for error in errors}),
            'error': [kind for kind in ERROR_TYPES if kind in {error.type for error in errors}],
        }


@dataclass(frozen=True)
class Galleries:
    """The galleries of all arms.

    Attributes:
        pictures: By index of an image, what the arms share: the image with its objects, and the
            detections of the baseline.
        arms: The gallery of every arm.
    """

    pictures: dict[int, Picture]
    arms: dict[str, Gallery]


@dataclass(frozen=True, eq=False)
class _Arm:
    """The first run of an arm, and the mean number of errors of each image over all its runs."""

    name: str
    first: ScoredRun
    causes: RunErrors
    charged: np.ndarray
    errors: np.ndarray


def galleries(
    annotations: Annotations,
    image_folder: PathLike,
    runs: Mapping[str, Sequence[PathLike]],
    *,
    baseline: str,
    strata: Stratification,
    iou_type: str = 'bbox',
    group: Optional[Sequence[Any]] = None,
) -> Galleries:
    """Return the gallery of every arm but the baseline.

    Images are selected by the number of errors, missed objects and false positives together,
    averaged over the runs of the arm, minus that of the baseline. The pictures show the first run
    of each arm.

    Args:
        annotations: The test set.
        image_folder: Folder of its images.
        runs: Files of detections, by arm.
        baseline: The arm that the others are compared with.
        strata: The objects sorted into strata.
        iou_type: ``'bbox'``, or ``'segm'`` to compare and draw masks.
        group: Group of each image; see :func:`most_different`.

    Raises:
        UserError: A file of detections or an image is missing or cannot be read.
    """
    paths = find_images(annotations, image_folder)
    number = int(np.clip(PICTURES // max(len(runs) - 1, 1), 2, 8))
    reference = _load_arm(annotations, strata, baseline, runs[baseline], iou_type)
    arms = {}
    for name, files in runs.items():
        if name == baseline:
            continue
        arm = _load_arm(annotations, strata, name, files, iou_type)
        change = arm.errors - reference.errors
        pairs = [
            _pair(annotations, strata, i, reference, arm)
            for i in most_different(change, number, group)
        ]
        arms[name] = Gallery(pairs, reference.first.threshold, arm.first.threshold)
    shown = sorted({pair.image for gallery in arms.values() for pair in gallery.pairs})
    pictures = {i: _picture(annotations, paths[i], i, reference) for i in shown}
    return Galleries(pictures, arms)


def _load_arm(
    annotations: Annotations,
    strata: Stratification,
    name: str,
    files: Sequence[PathLike],
    iou_type: str,
) -> _Arm:
    runs = [
        score_run(annotations, load_detections(file, annotations, iou_type=iou_type))
        for file in files
    ]
    first = runs[0]
    return _Arm(
        name,
        first,
        classify_errors(annotations, first),
        charged_strata(annotations, first.detections, strata),
        np.mean([run.n_errors for run in runs], axis=0),
    )


def _pair(
    annotations: Annotations, strata: Stratification, index: int, baseline: _Arm, arm: _Arm
) -> Pair:
    change = arm.errors[index] - baseline.errors[index]
    errors = [error for a in (baseline, arm) for error in _errors(annotations, strata, a, index)]
    return Pair(
        image=index,
        arm=_arm_layer(annotations, arm, index),
        errors=sorted(set(errors)),
        caption=f'{annotations.file_names[index]}; mean change over all runs: {change:+.1f} errors',
        counts=(_count_errors(baseline, index), _count_errors(arm, index)),
    )


def _picture(annotations: Annotations, path: PathLike, index: int, baseline: _Arm) -> Picture:
    """Return an image with two layers: its objects, and what the baseline detects."""
    file_name = annotations.file_names[index]
    return inline_picture(
        read_image(path, annotations.image_sizes[index]),
        [_object_layer(annotations, baseline, index), _arm_layer(annotations, baseline, index)],
        caption=file_name,
        alt=file_name,
    )


def _count_errors(arm: _Arm, index: int) -> str:
    return f'{arm.name}: {arm.first.n_missed[index]} missed, {arm.first.n_false[index]} false'


def _errors(
    annotations: Annotations, strata: Stratification, arm: _Arm, index: int
) -> Iterator[Error]:
    """Yield the errors of an arm in one image; objects without a stratum are left out."""
    names, detections = annotations.category_names, arm.first.detections
    for i in np.flatnonzero(arm.causes.missed & (annotations.image == index)).tolist():
        if strata.labels[i] >= 0:
            yield Error(strata.names[strata.labels[i]], names[annotations.category[i]], MISSED)
    for i in np.flatnonzero(
        (arm.causes.false_positives > 0) & (detections.image == index)
    ).tolist():
        yield Error(strata.names[arm.charged[i]], names[detections.category[i]], _type(arm, i))


def _type(arm: _Arm, detection: int) -> str:
    return ERROR_TYPES[arm.causes.false_positives[detection] - 1]


def _object_layer(annotations: Annotations, arm: _Arm, index: int) -> Layer:
    objects = np.flatnonzero((annotations.image == index) & ~annotations.iscrowd).tolist()
    boxes = [_object_box(annotations, arm, i, OBJECT_COLOR, 'object') for i in objects]
    return Layer('objects', boxes)


def _object_box(annotations: Annotations, arm: _Arm, i: int, color: str, status: str) -> Box:
    name = annotations.category_names[annotations.category[i]]
    box = Box(annotations.boxes[i].tolist(), color, f'{status}: {name}')
    if arm.first.detections.masks is None:
        return box
    return box._replace(outline=mask_outline(annotations.masks[i]))


def _detection_box(arm: _Arm, i: int, color: str, title: str) -> Box:
    detections = arm.first.detections
    box = Box(detections.boxes[i].tolist(), color, title)
    return (
        box if detections.masks is None else box._replace(outline=mask_outline(detections.masks[i]))
    )


def _arm_layer(annotations: Annotations, arm: _Arm, index: int) -> Layer:
    """Return the true and false positives of an arm in one image, and the objects it misses."""
    run = arm.first
    detections, boxes = run.detections, []
    for i in np.flatnonzero(run.missed & (annotations.image == index)).tolist():
        box = _object_box(annotations, arm, i, MISSED_COLOR, 'missed')
        boxes.append(box._replace(style='dotted'))
    for i in np.flatnonzero(run.true_positives & (detections.image == index)).tolist():
        title = f'true positive: {_described(annotations, run, i)}'
        boxes.append(_detection_box(arm, i, TRUE_COLOR, title))
    for i in np.flatnonzero(run.false_positives & (detections.image == index)).tolist():
        title = f'false positive ({_type(arm, i)}): {_described(annotations, run, i)}'
        label = annotations.category_names[detections.category[i]]
        box = _detection_box(arm, i, FALSE_COLOR, title)
        boxes.append(box._replace(label=label, style='dashed'))
    return Layer('detections', boxes)


def _described(annotations: Annotations, run: ScoredRun, i: int) -> str:
    name = annotations.category_names[run.detections.category[i]]
    return f'{name}, score {run.detections.scores[i]:.2f}'
