"""How pages show strata: the bounds of each in words, and pictures of typical images."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Optional

import numpy as np

from ..clutter import Strata, Stratification, object_values
from ..coco import Annotations
from ..coco.images import find_images, read_image
from ..io import PathLike
from ..plots import INK, stratum_colors
from .pictures import Box, Layer, Picture, inline_picture
from .selection import most_different

EXAMPLES = 2
"""Number of images shown of each stratum."""


def stratum_bounds(cuts: Sequence[float]) -> list[str]:
    """Return the values of the measure that belong to each stratum, in words.

    Example:
        >>> stratum_bounds((0.1, 0.3))
        ['below 0.1', 'from 0.1 to 0.3', '0.3 and above']
        >>> stratum_bounds(())
        []
    """
    if not cuts:
        return []
    inner = [f'from {low:g} to {high:g}' for low, high in zip(cuts, cuts[1:])]
    return [f'below {cuts[0]:g}', *inner, f'{cuts[-1]:g} and above']


def strata_examples(
    annotations: Annotations,
    image_folder: PathLike,
    strata: Strata,
    *,
    group: Optional[Sequence[Any]] = None,
) -> list[Picture]:
    """Return pictures of the images in which each stratum has its largest share of the objects.

    Args:
        annotations: The test set.
        image_folder: Folder of its images.
        strata: The rule of the strata.
        group: Group of each image; see :func:`most_different`.

    Returns:
        The first image of every stratum, then the second of every stratum.

    Raises:
        UserError: An image is missing or cannot be read, or the rule cannot be applied.
    """
    paths = find_images(annotations, image_folder)
    values, applied = object_values(annotations, strata.measure), strata.apply(annotations)
    n_images = len(annotations.image_ids)
    n_sorted = np.bincount(annotations.image[applied.labels >= 0], minlength=n_images)
    selected = []
    for label in range(len(applied.names)):
        count = np.bincount(annotations.image[applied.labels == label], minlength=n_images)
        share = count / np.maximum(n_sorted, 1)
        # Of images with equal shares, the one with more objects comes first.
        selected.append(most_different(-(share + 1e-3 * count), EXAMPLES, group))
    return [
        stratum_picture(
            annotations, i, paths[i], values, applied, title=f'{applied.names[label]}: '
        )
        for images in zip_longest(*selected)
        for label, i in enumerate(images)
        if i is not None
    ]


def stratum_picture(
    annotations: Annotations,
    index: int,
    path: PathLike,
    values: np.ndarray,
    strata: Stratification,
    *,
    title: str = '',
) -> Picture:
    """Return an image with its objects in the colours of their strata.

    Args:
        annotations: The data set.
        index: Index of the image.
        path: File of the image.
        values: The clutter measure of every object, ``(n,)``.
        strata: The strata of the objects by this measure.
        title: Text at the beginning of the caption.
    """
    colors = [*stratum_colors(len(strata.names)), INK]  # the last is for label -1
    objects = np.flatnonzero((annotations.image == index) & ~annotations.iscrowd)
    boxes = []
    for i in objects:
        name = annotations.category_names[annotations.category[i]]
        description = f'{name}, {strata.measure} {values[i]:.2f}'
        box = annotations.boxes[i].tolist()
        boxes.append(Box(box, colors[strata.labels[i]], description))
    caption = f'{title}{annotations.file_names[index]}: {len(boxes)} objects'
    if boxes:
        caption += f', mean {strata.measure} {np.nanmean(values[objects]):.2f}'
    return inline_picture(
        read_image(path, annotations.image_sizes[index]),
        [Layer('objects', boxes)],
        caption=caption,
        alt=f'Image with {len(boxes)} boxes drawn on it',
    )
