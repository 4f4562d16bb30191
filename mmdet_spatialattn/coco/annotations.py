"""Ground truth in COCO's format as checked arrays.

The loader takes a path or the content of the file, and either returns arrays that need no further
check or raises one :class:`UserError` that names the file, the entry and the remedy. Traps that
pycocotools accepts silently (boxes of size zero, an annotation id 0) are treated as in pycocotools
and mentioned in ``notes``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Union

import numpy as np

from ..errors import UserError, did_you_mean
from ..io import PathLike
from .fields import (
    boxes_of,
    column,
    describe_value,
    finite,
    integers,
    lookup,
    numbers,
    positions_by_id,
    read_source,
    refuse_repeats,
    whole,
)
from .implausible import implausible

AnnotationSource = Union[PathLike, dict, 'Annotations']


@dataclass(frozen=True, eq=False)
class Annotations:
    """Ground truth as arrays: objects in the order of the file, images and classes by id.

    Attributes:
        source: The file, or another name for messages.
        image_ids: ``(I,)``, all int or all str.
        file_names: ``(I,)``; ``''`` where the file has none.
        image_sizes: ``(I, 2)``, width and height; NaN where the file has none.
        category_ids: ``(K,)``.
        category_names: ``(K,)``; the id as text where the file has no name.
        ids: ``(n,)`` int64, the ids of the annotations.
        image: ``(n,)`` int32, the index of each object's image in ``image_ids``.
        category: ``(n,)`` int32, the index of each object's class in ``category_ids``.
        boxes: ``(n, 4)`` float64, ``x, y, width, height`` in pixels.
        area: ``(n,)`` float64, the file's ``area``, which decides between small, medium and large.
        iscrowd: ``(n,)`` bool; pycocotools ignores these objects, and no others.
        ignore: ``(n,)`` bool, the file's ``ignore``, which pycocotools overwrites.
        records: The ``n`` annotations in the file (masks, visible boxes, ...).
        notes: What a user should know, one sentence each.
        image_records: The ``I`` images in the file (scene, level, ...); empty if the annotations
            do not come from a file.
        file_category_ids: The ids of the classes in the order of the file, in which MMDetection
            numbers its labels; empty if the annotations do not come from a file.
    """

    source: str
    image_ids: list
    file_names: list[str]
    image_sizes: np.ndarray
    category_ids: list[int]
    category_names: list[str]
    ids: np.ndarray
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    iscrowd: np.ndarray
    ignore: np.ndarray
    records: list[dict]
    notes: tuple[str, ...] = ()
    image_records: list[dict] = field(default_factory=list)
    file_category_ids: list[int] = field(default_factory=list)

    @cached_property
    def masks(self) -> list[dict]:
        """The ``n`` masks as compressed run lengths, the form that pycocotools reads.

        Raises:
            UserError: An object has no segmentation, or one that does not fit its image.
        """
        from .masks import compress_masks  # imports Numba, which only callers with masks need

        location = f'{self.source}: annotations'
        segmentations = column(self.records, 'segmentation', location)
        return compress_masks(segmentations, self.image_sizes[self.image], location)[0]

    def image_field(self, name: str) -> list[Union[int, float, str]]:
        """Return the value of a field of every image, ``(I,)``.

        Raises:
            UserError: An image lacks the field, or its value is neither a finite number nor a text.
        """
        if len(self.image_records) != len(self.image_ids):
            raise UserError(
                f"{self.source}: the images have no fields, so no '{name}'; load the annotations "
                'from a file, or give image_records'
            )
        for image_id, record in zip(self.image_ids, self.image_records):
            if name not in record:
                n_without = sum(name not in other for other in self.image_records)
                raise UserError(
                    f"{self.source}: image {image_id!r} has no '{name}'{did_you_mean(name, record)}"
                    f' ({n_without} of {len(self.image_ids)} images have none; its fields: '
                    f'{", ".join(map(str, record))})'
                )
            value = record[name]
            if not isinstance(value, str) and finite([value], 1) is None:
                raise UserError(
                    f"{self.source}: image {image_id!r} has {describe_value(value)} as '{name}'; "
                    'expected a finite number or a text'
                )
        return [record[name] for record in self.image_records]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f'Annotations({self.source}: {len(self.image_ids)} images, {len(self)} objects, '
            f'{len(self.category_ids)} classes)'
        )


def load_annotations(source: AnnotationSource) -> Annotations:
    """Load ground truth in COCO's format.

    Args:
        source: A JSON file or its content; loaded annotations pass through.

    Raises:
        UserError: The file cannot be read or is not COCO; an id repeats or refers to nothing; a box
            is not four finite numbers, or its size is negative.
    """
    if isinstance(source, Annotations):
        return source
    data, name = read_source(source, 'the annotations')
    if isinstance(data, list):
        raise UserError(
            f'{name} is a list, as files of detections are; expected the annotation file, '
            f"an object with 'images', 'annotations' and 'categories'"
        )
    if not isinstance(data, dict):
        raise UserError(
            f'{name} holds {describe_value(data)}; expected an object (COCO annotations)'
        )
    for key in ('images', 'annotations', 'categories'):
        if key not in data:
            hint = ' (a file of a test set without ground truth?)' if key == 'annotations' else ''
            raise UserError(
                f"{name} has no '{key}'{did_you_mean(key, data)}{hint}; COCO annotations need "
                "'images', 'annotations' and 'categories'"
            )
        if not isinstance(data[key], list):
            raise UserError(f"{name}: '{key}' is {describe_value(data[key])}; expected a list")
    for key in ('images', 'categories'):
        if not data[key]:
            raise UserError(f"{name}: '{key}' is empty; there is nothing to evaluate")
    positions = positions_by_id(data['images'], f'{name}: images', strings=True)
    images = [data['images'][i] for i in positions.values()]
    image_sizes = _sizes(data['images'], f'{name}: images')[list(positions.values())]
    image_index = {image_id: i for i, image_id in enumerate(positions)}
    file_names = [_file_name(image) for image in images]
    positions = positions_by_id(data['categories'], f'{name}: categories')
    categories = [data['categories'][i] for i in positions.values()]
    category_index = {category_id: i for i, category_id in enumerate(positions)}

    records, location = data['annotations'], f'{name}: annotations'
    ids = integers(records, 'id', location)
    refuse_repeats(ids.tolist(), location)
    image = lookup(records, 'image_id', image_index, location, name)
    category = lookup(records, 'category_id', category_index, location, name)
    boxes = boxes_of(records, location)
    box_area = (boxes[:, 2] * boxes[:, 3]).tolist()
    area = numbers([_given(r, 'area', a) for r, a in zip(records, box_area)], 'area', location)
    iscrowd, ignore = (
        numbers([_number(_given(r, key, 0)) for r in records], key, location) != 0
        for key in ('iscrowd', 'ignore')
    )
    return Annotations(
        source=name,
        image_ids=list(image_index),
        file_names=file_names,
        image_sizes=image_sizes,
        category_ids=list(category_index),
        category_names=[
            str(category.get('name', category_id))
            for category_id, category in zip(category_index, categories)
        ],
        ids=ids,
        image=image,
        category=category,
        boxes=boxes,
        area=area,
        iscrowd=iscrowd,
        ignore=ignore,
        records=records,
        notes=(
            *_annotation_notes(name, records, ids, boxes, ignore & ~iscrowd),
            *implausible(name, images, file_names, boxes, image_sizes[image]),
        ),
        image_records=images,
        file_category_ids=[whole(category['id']) for category in data['categories']],
    )


def _number(value: Any) -> Any:
    """Return the number for a boolean, which some files hold in ``iscrowd`` or ``ignore``."""
    return int(value) if isinstance(value, bool) else value


def _given(record: dict, key: str, default: Any) -> Any:
    """Return a field; the default where it is absent, or null as tables write it then."""
    value = record.get(key)
    return default if value is None else value


def _file_name(image: dict) -> str:
    """Return the file of an image; LVIS gives its address alone, and Windows writes backslashes."""
    name = _given(image, 'file_name', None)
    if name is None:
        name = str(_given(image, 'coco_url', '')).rpartition('/')[2]
    return str(name).replace('\\', '/')


def _sizes(images: list[dict], location: str) -> np.ndarray:
    """Return width and height, ``(n, 2)``; NaN where an image has none."""
    sides = ('width', 'height')
    columns = [numbers([_given(i, side, -1) for i in images], side, location) for side in sides]
    sizes = np.stack(columns, axis=1)
    sizes[sizes < 0] = np.nan
    return sizes


def _annotation_notes(
    name: str, records: list[dict], ids: np.ndarray, boxes: np.ndarray, only_ignore: np.ndarray
) -> Iterator[str]:
    """Yield notes on traps that pycocotools accepts silently."""
    n_without = sum(record.get('area') is None for record in records)
    if n_without:
        yield f"{n_without} of {len(records)} objects have no 'area': taken from the box"
    flat = (boxes[:, 2:] == 0).any(axis=1)
    if flat.any():
        yield (
            f'{flat.sum()} objects have a box of width or height 0, which nothing can match '
            f'(first: annotation {ids[flat.argmax()]}): remove them from {name}'
        )
    if (ids == 0).any():
        yield (
            'there is an annotation with id 0: pycocotools counts a detection that matches it as '
            f'unmatched, and so does this evaluation; number the annotations of {name} from 1'
        )
    if only_ignore.any():
        yield (
            f"{only_ignore.sum()} objects have 'ignore' without 'iscrowd': pycocotools counts them "
            'like all others, and so does this evaluation; set iscrowd to 1 to have them ignored'
        )
