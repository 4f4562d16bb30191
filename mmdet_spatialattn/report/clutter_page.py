"""The page of ``spatialattn clutter``: how cluttered a data set is, with its extreme images."""

from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np

from ..clutter import ENOUGH, MEANINGS, ClutterTable, Strata
from ..clutter.table import stratum_warning
from ..coco.images import find_images
from ..errors import require
from ..io import PathLike
from ..plots import distribution, strata_by_size, stratum_colors
from ..results.test_set import SIZES
from ..tables import Table, short
from .page import write_page
from .pictures import Picture
from .strata import stratum_bounds, stratum_picture

PICTURES = 6
"""Number of images shown at each end."""


class Extremes(NamedTuple):
    """Pictures of the most and of the least cluttered images."""

    most: list[Picture]
    least: list[Picture]


def write_clutter_page(
    path: PathLike, table: ClutterTable, *, images_dir: Optional[PathLike] = None
) -> None:
    """Write the page of a clutter table: one file that needs no network.

    Args:
        path: The file to write.
        table: The clutter measures of the data set.
        images_dir: Folder of the images. If it is given, the page shows the most and the least
            cluttered ones.

    Raises:
        UserError: Jinja2 or Plotly is not installed, an image cannot be read, or the file cannot be
            written.
    """
    require('plotly', 'report')
    summary, strata = table.summary(), table.strata()
    columns = {**table.objects, **table.images}
    known = [name for name, values in columns.items() if not np.isnan(values).all()]
    write_page(
        path,
        'clutter.html',
        summary=summary,
        name=Path(summary['annotations']).name,
        bounds=stratum_bounds(Strata().cuts),
        colors=stratum_colors(len(strata)),
        sizes=SIZES,
        enough=ENOUGH,
        warnings=[stratum_warning(stratum) for stratum in strata if not stratum.enough],
        strata=strata,
        strata_figure=strata_by_size({stratum.name: stratum.sizes for stratum in strata}),
        distributions=_distribution_table(summary['distributions']),
        figures={name: distribution(name, columns[name]) for name in known},
        meanings=MEANINGS,
        extremes=_extremes(table, images_dir) if images_dir is not None else None,
    )


def _distribution_table(rows: list[dict[str, Any]]) -> Table:
    header = ('measure', 'of', 'number', 'mean', 'median', '90th percentile', 'maximum')
    cells = [
        (
            row['measure'],
            row['of'],
            str(row['n']),
            *(short(row[key]) for key in ('mean', 'median', 'p90', 'max')),
        )
        for row in rows
        if row['n']
    ]
    return Table('Every measure over the objects or the images', header, cells)


def _extremes(table: ClutterTable, images_dir: PathLike) -> Extremes:
    """Return pictures of the images with the highest and with the lowest mean cover.

    Of images with equal cover, those with more objects come first. No image is in both lists.
    """
    mean, n_objects = table.mean_of_image('cover'), table.images['n_objects']
    with_objects = np.flatnonzero(n_objects > 0)
    falling = with_objects[np.lexsort((-n_objects[with_objects], -mean[with_objects]))]
    number = min(PICTURES, len(falling) // 2 or len(falling))
    remaining = set(falling[number:].tolist())
    rising = [i for i in np.lexsort((-n_objects, mean)) if i in remaining]
    paths = find_images(table.annotations, images_dir)
    strata, cover = Strata().apply(table.annotations), table.objects['cover']

    def pictures(images: Any) -> list[Picture]:
        return [stratum_picture(table.annotations, int(i), paths[i], cover, strata) for i in images]

    return Extremes(pictures(falling[:number]), pictures(rising[:number]))
