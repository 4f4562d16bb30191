"""Pictures of a sweep: its strata, and where an arm differs most from the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Optional

import numpy as np

from ..clutter import Strata, Stratification, object_values
from ..coco import Annotations, Detections, load_detections
from ..coco.images import find_images, read_image
from ..evaluation import FALSE, IOU_THRESHOLDS, TRUE, match
from ..io import PathLike
from .page import Box, Layer, Picture, picture

OBJECTS, BASELINE, ARM = 'objects', 'baseline', 'arm'
"""Names of the layers of the gallery."""

TRUTH_COLOR, RIGHT_COLOR, WRONG_COLOR = '#1f2933', '#0077bb', '#cc3311'

PICTURES = 36
"""Pictures of the gallery, shared among the arms: at least two each, at most eight."""

EXAMPLES = 2
"""Images shown of each stratum."""


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run above the score at which its F1 is highest, where one would use it.

    Attributes:
        detections: Of the run.
        threshold: The score.
        right: ``(n,)`` bool, detections above it that found an object: of its class, IoU 0.5.
        wrong: ``(n,)`` bool, detections above it that found none.
        missed: ``(I,)`` objects of each image that none of them found.
        false: ``(I,)`` how many of them are wrong.
    """

    detections: Detections
    threshold: float
    right: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray
    false: np.ndarray


def score_run(annotations: Annotations, detections: Detections) -> ScoredRun:
    """Tell right from wrong detections at the score with the highest F1 over all classes."""
    objects = ~annotations.iscrowd
    everywhere = np.ones((1, len(detections)), bool)
    found = match(annotations, detections, objects[None], everywhere, thresholds=IOU_THRESHOLDS[:1])
    status = np.full(len(detections), -1)
    status[found.order] = found.status[0, :, 0]
    falling = np.argsort(-detections.scores, kind='stable')
    n_right = np.cumsum(status[falling] == TRUE)
    n_wrong = np.cumsum(status[falling] == FALSE)
    f1 = 2 * n_right / np.maximum(n_right + n_wrong + objects.sum(), 1)
    threshold = float(detections.scores[falling[f1.argmax()]]) if len(f1) else 0.0
    kept = detections.scores >= threshold
    right, wrong = kept & (status == TRUE), kept & (status == FALSE)
    n_images = len(annotations.image_ids)
    per_image = [
        np.bincount(image, minlength=n_images)
        for image in (
            annotations.image[objects], detections.image[right], detections.image[wrong]
        )
    ]  # fmt: skip
    return ScoredRun(detections, threshold, right, wrong, per_image[0] - per_image[1], per_image[2])


def most_different(
    change: np.ndarray, number: int, group: Optional[Sequence[Any]] = None
) -> list[int]:
    """Return the images whose number of errors falls and rises most, half of each if there are.

    Args:
        change: ``(I,)`` by how much the errors of each image change.
        number: How many to return at most.
        group: ``(I,)``; of images of one group only one is taken, such as renderings of a scene.

    Example:
        >>> most_different(np.array([0, -3, 2, -1, -2]), 4, group='abcdb')
        [1, 3, 2]
    """
    taken: list[int] = []
    groups = set()
    better, worse = np.argsort(change, kind='stable'), np.argsort(-change, kind='stable')
    n_worse = min(number // 2, int((change > 0).sum()))
    for order, sign, room in ((better, -1, number - n_worse), (worse, 1, n_worse)):
        for i in order.tolist():
            key = i if group is None else group[i]
            if room == 0 or sign * change[i] <= 0:
                break
            if key not in groups:
                groups.add(key)
                taken.append(i)
                room -= 1
    return taken


@dataclass(frozen=True)
class Gallery:
    """The pictures of an arm beside the baseline, and the scores that their detections need."""

    pictures: list[Picture]
    thresholds: tuple[float, float]


def galleries(
    annotations: Annotations,
    folder: PathLike,
    runs: Mapping[str, Sequence[PathLike]],
    baseline: str,
    group: Optional[Sequence[Any]] = None,
) -> dict[str, Gallery]:
    """Return the gallery of every arm but the baseline.

    Images are chosen by the mean number of errors over the runs of an arm, missed objects and wrong
    detections together, less that of the baseline; what is drawn is the first run of each.

    Args:
        annotations: The test set.
        folder: Of its images.
        runs: By arm, the files of detections.
        baseline: The arm that the others are compared with.
        group: See :func:`most_different`.

    Raises:
        UserError: A file of detections or an image is absent or cannot be read.
    """
    paths = find_images(annotations, folder)
    number = int(np.clip(PICTURES // max(len(runs) - 1, 1), 2, 8))
    base, errors_of_base = _scored(annotations, runs[baseline])
    found = {}
    for arm in runs:
        if arm == baseline:
            continue
        first, errors = _scored(annotations, runs[arm])
        change = errors - errors_of_base
        pictures = []
        for i in most_different(change, number, group):
            layers = [
                _truth(annotations, i),
                _found(annotations, base, i, BASELINE),
                _found(annotations, first, i, ARM),
            ]
            caption = (
                f'{annotations.file_names[i]}: {_errors(base, i, baseline)}, '
                f'{_errors(first, i, arm)}; errors over all runs {change[i]:+.1f}'
            )
            alt = f'{annotations.file_names[i]} with its objects and the detections of both arms'
            image = read_image(paths[i], annotations.image_sizes[i])
            pictures.append(picture(image, layers, caption, alt))
        found[arm] = Gallery(pictures, (base.threshold, first.threshold))
    return found


def strata_examples(
    annotations: Annotations,
    folder: PathLike,
    strata: Strata,
    group: Optional[Sequence[Any]] = None,
) -> list[Picture]:
    """Return pictures of the images with the largest share of objects of each stratum in turn.

    Args:
        annotations: The test set.
        folder: Of its images.
        strata: How its objects are sorted.
        group: See :func:`most_different`.

    Raises:
        UserError: An image is absent or cannot be read, or the strata cannot be applied.
    """
    paths = find_images(annotations, folder)
    values, applied = object_values(annotations, strata.measure), strata.apply(annotations)
    n_images = len(annotations.image_ids)
    in_any = np.bincount(annotations.image[applied.labels >= 0], minlength=n_images)
    chosen = []
    for s in range(len(applied.names)):
        held = np.bincount(annotations.image[applied.labels == s], minlength=n_images)
        share = held / np.maximum(in_any, 1) + 1e-3 * held  # of equal shares the fuller image
        chosen.append(most_different(-share, EXAMPLES, group))
    return [
        stratum_picture(annotations, i, paths[i], values, applied, f'{applied.names[s]}: ')
        for images in zip_longest(*chosen)
        for s, i in enumerate(images)
        if i is not None
    ]


def stratum_picture(
    annotations: Annotations,
    index: int,
    path: PathLike,
    values: np.ndarray,
    strata: Stratification,
    title: str = '',
) -> Picture:
    """Return an image with its objects in the colours of their strata.

    Args:
        annotations: The data set.
        index: Of the image.
        path: Its file.
        values: ``(n,)``, the measure of every object.
        strata: How the objects are sorted by it.
        title: What the caption begins with.
    """
    from .figures import stratum_colors

    colors = [*stratum_colors(len(strata.names)), TRUTH_COLOR]  # the last where the label is -1
    boxes = [
        Box(
            annotations.boxes[i].tolist(),
            colors[strata.labels[i]],
            f'{_class(annotations, annotations.category[i])}, {strata.measure} {values[i]:.2f}',
        )
        for i in _objects(annotations, index)
    ]
    caption = f'{title}{annotations.file_names[index]}: {len(boxes)} objects'
    if boxes:
        mean = np.nanmean(values[_objects(annotations, index)])
        caption += f', mean {strata.measure} {mean:.2f}'
    image = read_image(path, annotations.image_sizes[index])
    return picture(
        image, [Layer(OBJECTS, boxes)], caption, f'Image with {len(boxes)} boxes drawn on it'
    )


def _scored(annotations: Annotations, files: Sequence[PathLike]) -> tuple[ScoredRun, np.ndarray]:
    """Return the first run, and the mean number of errors of every image over all runs."""
    runs = [score_run(annotations, load_detections(file, annotations)) for file in files]
    return runs[0], np.mean([run.missed + run.false for run in runs], axis=0)


def _errors(run: ScoredRun, index: int, arm: str) -> str:
    return f'{arm} {run.missed[index]} missed, {run.false[index]} wrong'


def _class(annotations: Annotations, category: int) -> str:
    return annotations.category_names[category]


def _objects(annotations: Annotations, index: int) -> np.ndarray:
    return np.flatnonzero((annotations.image == index) & ~annotations.iscrowd)


def _truth(annotations: Annotations, index: int) -> Layer:
    of = annotations
    return Layer(
        OBJECTS,
        [
            Box(of.boxes[i].tolist(), TRUTH_COLOR, f'object: {_class(of, of.category[i])}')
            for i in _objects(of, index)
        ],
    )


def _found(annotations: Annotations, run: ScoredRun, index: int, layer: str) -> Layer:
    of, boxes = run.detections, []
    for kept, color, word in ((run.right, RIGHT_COLOR, 'right'), (run.wrong, WRONG_COLOR, 'wrong')):
        for i in np.flatnonzero(kept & (of.image == index)):
            name = _class(annotations, of.category[i])
            title = f'{word}: {name}, score {of.scores[i]:.2f}'
            box = Box(of.boxes[i].tolist(), color, title, name, dashed=word == 'wrong')
            boxes.append(box)
    return Layer(layer, boxes)
