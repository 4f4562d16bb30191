"""Repair COCO annotations: what would be refused, or silently miscounted, and can be mended."""

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Optional

import numpy as np

from ..errors import UserError
from .annotations import load_annotations
from .fields import whole
from .implausible import implausible_boxes

Record = dict[str, Any]


def repair(data: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """Return repaired annotations, and the repairs with how often each was made.

    The given content does not change. What cannot be mended without knowing what was meant stays.

    Raises:
        UserError: It is no annotation file, or cannot be mended.

    Example:
        >>> row = {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 5, 5], 'area': 25}
        >>> categories = [{'id': 1, 'name': 'a'}]
        >>> data = {'images': [{'id': 1.0}], 'categories': categories, 'annotations': [row]}
        >>> repair(data)[1]
        {'whole numbers written as 1.0': 1, 'iscrowd missing: set to 0': 1}
    """
    if not isinstance(data, dict) or not all(
        isinstance(data.get(key), list) and all(isinstance(row, dict) for row in data[key])
        for key in ('images', 'annotations', 'categories')
    ):
        raise UserError(
            "expected COCO annotations: an object with lists of objects 'images', 'annotations' "
            "and 'categories'"
        )
    data, repairs = copy.deepcopy(data), Counter[str]()
    for mend in (_numbers, _references, _boxes, _shapes, _fields, _ids):
        repairs.update(mend(data))
    load_annotations(data)
    return data, {what: n for what, n in repairs.items() if n}


def _numbers(data: Record) -> Iterator[str]:
    keys = ('id', 'image_id', 'category_id', 'iscrowd', 'width', 'height')
    for row in (row for key in ('images', 'annotations', 'categories') for row in data[key]):
        for key in keys:
            value = row.get(key)
            if isinstance(value, float) and value.is_integer():
                row[key] = whole(value)
                yield 'whole numbers written as 1.0'
            elif value is None and key in row:
                del row[key]
                yield 'null in a field: taken as absent'


def _references(data: Record) -> Iterator[str]:
    for key, plural, what in (
        ('image_id', 'images', 'image'),
        ('category_id', 'categories', 'class'),
    ):
        ids = [row.get('id') for row in data[plural]]
        if not all(isinstance(value, (int, str)) for value in ids):
            raise UserError(f"'{plural}': an id is missing, or neither a number nor a text")

        def lost(row: Record, key: str = key, known: set = set(ids)) -> bool:
            return not isinstance(row.get(key), (int, str)) or row[key] not in known

        yield from _drop(data, lost, f'objects of no {what}: removed')


def _boxes(data: Record) -> Iterator[str]:
    def is_bad(row: Record) -> bool:
        return _box(row) is None

    yield from _drop(data, is_bad, 'objects without a box of four finite numbers: removed')


def _shapes(data: Record) -> Iterator[str]:
    """Mend boxes that are corners or normalised, all of them; then those without a size."""
    sizes = {image['id']: _size(image) for image in data['images']}
    rows = data['annotations']
    known = np.array([sizes[row['image_id']] for row in rows], dtype=float).reshape(-1, 2)
    boxes = np.array([row['bbox'] for row in rows], dtype=float).reshape(-1, 4)
    hints = ' '.join(implausible_boxes('', boxes, known))
    if 'normalised' in hints and not np.isnan(known).any():
        for row, (width, height) in zip(rows, known.tolist()):
            x, y, w, h = row['bbox']
            row['bbox'] = [x * width, y * height, w * width, h * height]
            row.pop('area', None)
            yield 'normalised boxes: multiplied by the size of the image'
    elif 'look like corners' in hints:
        for row in rows:
            x1, y1, x2, y2 = row['bbox']
            row['bbox'] = [x1, y1, x2 - x1, y2 - y1]
            row.pop('area', None)
            yield 'boxes by their corners: written as x, y, width, height'
    yield from _drop(
        data, lambda row: min(row['bbox'][2:]) <= 0, 'boxes without width or height: removed'
    )


def _fields(data: Record) -> Iterator[str]:
    for row in data['annotations']:
        if 'iscrowd' not in row:
            row['iscrowd'] = 0
            yield 'iscrowd missing: set to 0'
        if not isinstance(row.get('area'), (int, float)):
            row['area'] = row['bbox'][2] * row['bbox'][3]
            yield 'area missing: taken from the box'
    for category in data['categories']:
        if 'name' not in category:
            category['name'] = str(category['id'])
            yield 'class without a name: named by its id'


def _ids(data: Record) -> Iterator[str]:
    ids = [row.get('id') for row in data['annotations']]
    if all(type(i) is int and i > 0 for i in ids) and len(set(ids)) == len(ids):
        return
    for number, row in enumerate(data['annotations'], 1):
        if row.get('id') != number:
            row['id'] = number
            yield 'ids of objects that are 0, missing, or repeat: numbered anew from 1'


def _size(image: Record) -> list[float]:
    """Return width and height of an image; NaN where they are not known."""
    sides: list[Any] = [image.get('width'), image.get('height')]
    return [side if type(side) in (int, float) and side > 0 else math.nan for side in sides]


def _box(row: Record) -> Optional[list[float]]:
    box = row.get('bbox')
    if not isinstance(box, (list, tuple)) or len(box) != 4:
        return None
    finite = all(type(v) in (int, float) and math.isfinite(v) and abs(v) < 1e9 for v in box)
    return list(box) if finite else None


def _drop(data: Record, drops: Callable[[Record], bool], reason: str) -> Iterator[str]:
    rows = data['annotations']
    data['annotations'] = [row for row in rows if not drops(row)]
    yield from [reason] * (len(rows) - len(data['annotations']))
