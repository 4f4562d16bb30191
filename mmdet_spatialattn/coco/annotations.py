"""Ground truth in COCO's format as checked arrays.

The loader takes a path or what :func:`json.load` made of the file, and either returns arrays that
need no further check or raises one :class:`UserError` that names file, entry and remedy. What
pycocotools accepts and a user should know of (boxes of size zero, an annotation id 0) is kept as
pycocotools keeps it and said in ``notes``.
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
    finite,
    integers,
    kind_of,
    lookup,
    numbers,
    order_by_id,
    read_source,
    refuse_repeats,
)

AnnotationSource = Union[PathLike, dict, 'Annotations']


@dataclass(frozen=True, eq=False)
class Annotations:
    """Ground truth as arrays: objects in the order of the file, images and classes by id.

    Attributes:
        source: Where it came from, for messages.
        image_ids: ``(I,)``, all int or all str; every ``image`` below is an index into it.
        file_names: ``(I,)``, ``''`` where the file has none.
        image_sizes: ``(I, 2)`` width and height, ``nan`` where the file has none.
        category_ids: ``(K,)``; every ``category`` below is an index into it.
        category_names: ``(K,)``, the id as text where the file has no name.
        ids: ``(n,)`` int64 annotation ids.
        image: ``(n,)`` int32.
        category: ``(n,)`` int32.
        boxes: ``(n, 4)`` float64 ``x, y, width, height`` in pixels.
        area: ``(n,)`` float64, as the file says: what decides small, medium and large.
        iscrowd: ``(n,)`` bool; pycocotools ignores these, and only these.
        ignore: ``(n,)`` bool, the file's own ``ignore`` field, which pycocotools overwrites.
        records: The ``n`` annotations as the file has them (masks, visible boxes, ...).
        notes: What a user should know, one sentence each.
        image_records: The ``I`` images as the file has them (scene, level, ...); empty where the
            annotations did not come from one.
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

    @cached_property
    def masks(self) -> list[dict]:
        """The ``n`` compressed run-length masks, as pycocotools reads them.

        Raises:
            UserError: An object has no segmentation, or one that does not fit its image.
        """
        from .masks import to_runs  # compiled: only callers with masks wait for it

        place = f'{self.source}: annotations'
        segmentations = column(self.records, 'segmentation', place)
        return to_runs(segmentations, self.image_sizes[self.image], place)[0]

    def image_field(self, name: str) -> list[Union[int, float, str]]:
        """Return what stands in a field of every image, ``(I,)``.

        Raises:
            UserError: An image lacks the field, or has neither a finite number nor a text there.
        """
        if len(self.image_records) != len(self.image_ids):
            raise UserError(
                f"{self.source}: the images have no fields, so no '{name}'; load the annotations "
                'from a file, or give image_records'
            )
        for image_id, record in zip(self.image_ids, self.image_records):
            if name not in record:
                lacking = sum(name not in one for one in self.image_records)
                raise UserError(
                    f"{self.source}: image {image_id!r} has no '{name}'{did_you_mean(name, record)}"
                    f' ({lacking} of {len(self.image_ids)} images have none; its fields: '
                    f'{", ".join(map(str, record))})'
                )
            value = record[name]
            if not isinstance(value, str) and finite([value], 1) is None:
                raise UserError(
                    f"{self.source}: image {image_id!r} has {kind_of(value)} as '{name}'; expected "
                    'a finite number or a text'
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
        source: A JSON file, or the dictionary that stands in one; loaded annotations pass through.

    Raises:
        UserError: The file cannot be read or is not COCO; ids repeat or point nowhere; a box is not
            four finite numbers, or its size is negative.
    """
    if isinstance(source, Annotations):
        return source
    data, where = read_source(source, 'the annotations')
    if isinstance(data, list):
        raise UserError(
            f'{where} is a list, as files of detections are; expected the annotation file, '
            f"an object with 'images', 'annotations' and 'categories'"
        )
    if not isinstance(data, dict):
        raise UserError(f'{where} holds {kind_of(data)}; expected an object (COCO annotations)')
    for key in ('images', 'annotations', 'categories'):
        if key not in data:
            hint = ' (a file of a test set without ground truth?)' if key == 'annotations' else ''
            raise UserError(
                f"{where} has no '{key}'{did_you_mean(key, data)}{hint}; COCO annotations need "
                "'images', 'annotations' and 'categories'"
            )
        if not isinstance(data[key], list):
            raise UserError(f"{where}: '{key}' is {kind_of(data[key])}; expected a list")
    order = order_by_id(data['images'], f'{where}: images', strings=True)
    images = [data['images'][i] for i in order]
    image_sizes = _sizes(data['images'], f'{where}: images')[order]
    image_index = {image['id']: i for i, image in enumerate(images)}
    order = order_by_id(data['categories'], f'{where}: categories')
    categories = [data['categories'][i] for i in order]
    category_index = {category['id']: i for i, category in enumerate(categories)}
    if not images:
        raise UserError(f"{where}: 'images' is empty; there is nothing to evaluate")

    records, place = data['annotations'], f'{where}: annotations'
    ids = integers(records, 'id', place)
    refuse_repeats(ids.tolist(), place)
    image = lookup(records, 'image_id', image_index, place, where)
    category = lookup(records, 'category_id', category_index, place, where)
    boxes = boxes_of(records, place)
    box_area = (boxes[:, 2] * boxes[:, 3]).tolist()
    area = numbers([r.get('area', a) for r, a in zip(records, box_area)], 'area', place)
    iscrowd, ignore = (
        numbers([_unflag(r.get(key, 0)) for r in records], key, place) != 0
        for key in ('iscrowd', 'ignore')
    )
    return Annotations(
        source=where,
        image_ids=list(image_index),
        file_names=[str(image.get('file_name', '')) for image in images],
        image_sizes=image_sizes,
        category_ids=list(category_index),
        category_names=[str(category.get('name', category['id'])) for category in categories],
        ids=ids,
        image=image,
        category=category,
        boxes=boxes,
        area=area,
        iscrowd=iscrowd,
        ignore=ignore,
        records=records,
        notes=tuple(_annotation_notes(where, records, ids, boxes, ignore & ~iscrowd)),
        image_records=images,
    )


def _unflag(value: Any) -> Any:
    """Return what stands in ``iscrowd`` or ``ignore`` as a number: some writers use booleans."""
    return int(value) if isinstance(value, bool) else value


def _sizes(images: list[dict], place: str) -> np.ndarray:
    """Return ``(n, 2)`` width and height, ``nan`` where an image has none."""
    sizes = np.stack(
        [numbers([i.get(side, -1) for i in images], side, place) for side in ('width', 'height')],
        1,
    )
    sizes[sizes < 0] = np.nan
    return sizes


def _annotation_notes(
    where: str, records: list[dict], ids: np.ndarray, boxes: np.ndarray, stray: np.ndarray
) -> Iterator[str]:
    """Yield what pycocotools accepts silently and a user should know."""
    lacking = sum('area' not in record for record in records)
    if lacking:
        yield f"{lacking} of {len(records)} objects have no 'area': taken from the box"
    flat = (boxes[:, 2:] == 0).any(axis=1)
    if flat.any():
        yield (
            f'{flat.sum()} objects have a box of width or height 0, which nothing can match '
            f'(first: annotation {ids[flat.argmax()]}): remove them from {where}'
        )
    if (ids == 0).any():
        yield (
            'there is an annotation with id 0: pycocotools counts what matches it as unmatched, '
            f'and so does this evaluation; number from 1 in {where}'
        )
    if stray.any():
        yield (
            f"{stray.sum()} objects have 'ignore' without 'iscrowd': pycocotools counts them like "
            'all others, and so does this evaluation; set iscrowd to 1 to have them ignored'
        )
