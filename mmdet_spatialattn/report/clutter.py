"""The page of ``spatialattn clutter``: how cluttered a data set is, with its extreme images."""

from pathlib import Path
from typing import Any, Optional

import numpy as np

from .. import __version__
from ..errors import require
from ..evaluation.clutter import ENOUGH, ClutterTable, stratum_warning
from ..evaluation.images import find_images, read_image
from ..evaluation.measures import MEANINGS
from ..evaluation.strata import SIZES, Strata
from ..io import PathLike
from .page import Box, Picture, picture, write_page

PICTURES = 6
"""Images shown at each end."""


def write_clutter_page(
    path: PathLike, table: ClutterTable, images_dir: Optional[PathLike] = None
) -> None:
    """Write the page of a clutter table, one file that needs no network.

    Args:
        path: The file.
        table: What it shows.
        images_dir: Folder of the images, for the most and the least cluttered ones.

    Raises:
        UserError: Jinja2 or Plotly is not installed, an image cannot be read, or the file cannot be
            written.
    """
    require('plotly', 'report')
    from .figures import STRATUM_COLORS, distribution, strata_by_size

    data = table.summary()
    columns = {**table.objects, **table.images}
    figures = {
        row['measure']: distribution(row['measure'], columns[row['measure']])
        for row in data['distributions']
        if row['n']
    }
    ends = _extremes(table, images_dir) if images_dir is not None else None
    write_page(
        path,
        'clutter.html',
        version=__version__,
        data=data,
        name=Path(data['annotations']).name,
        bounds=_bounds(Strata().cuts),
        colors=STRATUM_COLORS,
        sizes=list(SIZES),
        enough=ENOUGH,
        warnings=[stratum_warning(row) for row in data['strata'] if not row['enough']],
        strata_figure=strata_by_size(data['strata']) if data['strata'] else None,
        figures=figures,
        meanings=MEANINGS,
        ends=ends,
    )


def _bounds(cuts: tuple[float, ...]) -> list[str]:
    """Say in words which values belong to each stratum."""
    inner = [f'from {low:g} to {high:g}' for low, high in zip(cuts, cuts[1:])]
    return [f'below {cuts[0]:g}', *inner, f'{cuts[-1]:g} and above']


def _extremes(table: ClutterTable, images_dir: PathLike) -> dict[str, list[Picture]]:
    """Return pictures of the images with the highest and the lowest mean cover.

    Among equal ones, those with more objects come first. An image is shown at one end only.
    """
    mean, number = table.mean_of_image('cover'), table.images['n_objects']
    with_objects = np.flatnonzero(number > 0)
    order = with_objects[np.lexsort((-number[with_objects], -mean[with_objects]))]
    n = min(PICTURES, len(order) // 2 or len(order))
    least = [i for i in np.lexsort((-number, mean)) if i in set(order[n:].tolist())][:n]
    paths = find_images(table.annotations, images_dir)
    return {
        'most': [_picture(table, int(i), paths[i]) for i in order[:n]],
        'least': [_picture(table, int(i), paths[i]) for i in least],
    }


def _picture(table: ClutterTable, index: int, path: Any) -> Picture:
    """Return one image with its boxes in the colours of their strata."""
    from .figures import STRATUM_COLORS

    of, cover, cuts = table.annotations, table.objects['cover'], Strata().cuts
    image = read_image(path, of.image_sizes[index])
    boxes = [
        Box(
            of.boxes[i].tolist(),
            STRATUM_COLORS[int(np.digitize(cover[i], cuts))],
            f'{of.category_names[of.category[i]]}, cover {cover[i]:.2f}',
        )
        for i in np.flatnonzero((of.image == index) & ~of.iscrowd)
    ]
    mean = table.mean_of_image('cover')[index]
    caption = f'{of.file_names[index]}: {len(boxes)} objects, mean cover {mean:.2f}'
    return picture(image, boxes, caption, f'Image with {len(boxes)} boxes drawn on it')
