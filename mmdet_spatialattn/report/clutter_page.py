"""The page of ``spatialattn clutter``: how cluttered a data set is, with its extreme images."""

from dataclasses import asdict
from pathlib import Path
from typing import Optional

import numpy as np

from .. import __version__
from ..clutter import SIZES, Strata
from ..clutter.measures import MEANINGS
from ..clutter.table import ENOUGH, ClutterTable, stratum_warning
from ..coco.images import find_images
from ..errors import require
from ..io import PathLike
from .gallery import stratum_picture
from .page import Picture, bounds, write_page

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

    strata = table.strata()
    rows = [{**asdict(stratum), 'stratum': stratum.name, **stratum.sizes} for stratum in strata]
    data = {**table.summary(), 'strata': rows}
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
        bounds=bounds(Strata().cuts),
        colors=STRATUM_COLORS,
        sizes=list(SIZES),
        enough=ENOUGH,
        warnings=[stratum_warning(stratum) for stratum in strata if not stratum.enough],
        strata_figure=strata_by_size(data['strata']) if data['strata'] else None,
        figures=figures,
        meanings=MEANINGS,
        ends=ends,
    )


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
    strata, cover = Strata().apply(table.annotations), table.objects['cover']
    return {
        end: [stratum_picture(table.annotations, int(i), paths[i], cover, strata) for i in of]
        for end, of in (('most', order[:n]), ('least', least))
    }
