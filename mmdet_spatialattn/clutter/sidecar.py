"""The sidecar file of a data set: its clutter measures by annotation id and image id."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ..coco import Annotations
from ..errors import UserError
from .measures import MEANINGS

FORMAT = 'mmdet_spatialattn clutter'
VERSION = 1

Columns = dict[str, np.ndarray]
"""An array by name of the measure."""

_REMEDY = 'write it again with spatialattn clutter --out'


def pack(annotations: Annotations, objects: Columns, images: Columns) -> dict[str, Any]:
    """Return the content of a sidecar.

    Args:
        annotations: The data set.
        objects: Measures of the objects, each ``(n,)``; crowd regions are left out.
        images: Measures of the images, each ``(I,)``.
    """
    rows = zip(annotations.ids.tolist(), annotations.iscrowd.tolist(), _rows(objects))
    return {
        'format': FORMAT,
        'version': VERSION,
        'annotations': Path(annotations.source).name,
        'meanings': {name: MEANINGS[name] for name in (*objects, *images)},
        'objects': {str(object_id): row for object_id, is_crowd, row in rows if not is_crowd},
        'images': dict(zip(map(str, annotations.image_ids), _rows(images))),
    }


def unpack(data: Any, annotations: Annotations, source: str) -> tuple[Columns, Columns]:
    """Return the measures of the objects and of the images from the content of a sidecar.

    Args:
        data: What :func:`pack` returned.
        annotations: The data set.
        source: Name of the data, for messages.

    Raises:
        UserError: The data is not a sidecar of this version, or belongs to other annotations.
    """
    if not isinstance(data, dict) or data.get('format') != FORMAT:
        raise UserError(f'{source} is not a clutter sidecar; spatialattn clutter --out writes one')
    if data.get('version') != VERSION:
        raise UserError(
            f'{source} has version {data.get("version")}, this release reads {VERSION}; {_REMEDY}'
        )
    object_ids = annotations.ids.tolist()
    crowd_ids = set(annotations.ids[annotations.iscrowd].tolist())
    return (
        _columns(data, 'objects', object_ids, crowd_ids, source),
        _columns(data, 'images', annotations.image_ids, set(), source),
    )


def _rows(columns: Columns) -> Iterator[dict[str, Optional[float]]]:
    """Yield the rows of columns; NaN becomes ``None``, as JSON has no NaN."""
    for row in zip(*(values.tolist() for values in columns.values())):
        yield {name: None if np.isnan(value) else value for name, value in zip(columns, row)}


def _columns(
    data: dict[str, Any], key: str, ids: Sequence[Any], without_row: set, source: str
) -> Columns:
    """Return the columns of the rows under a key, in the order of the ids."""
    rows = data.get(key)
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise UserError(f"{source}: '{key}' is damaged (expected an object of rows); {_REMEDY}")
    n_needed = len(ids) - len(without_row)
    n_missing = sum(str(i) not in rows for i in ids if i not in without_row)
    if n_missing or len(rows) != n_needed:
        raise UserError(
            f'{source} was written for other annotations: {n_missing} of {n_needed} {key} are not '
            f'in it; {_REMEDY}'
        )
    names = list(next(iter(rows.values()), {}))
    blank = dict.fromkeys(names)
    ordered = [rows.get(str(i), blank) for i in ids]
    try:
        return {name: np.array([row[name] for row in ordered], dtype=float) for name in names}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{source}: '{key}' is damaged ({error}); {_REMEDY}") from error
