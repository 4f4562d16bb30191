"""COCO files as checked arrays: what everything in this package computes from.

Both loaders take a path or what :func:`json.load` made of the file, and either return arrays that
need no further check or raise one :class:`UserError` that names file, entry and remedy. What
pycocotools accepts and a user should know of (boxes of size zero, an annotation id 0) is kept as
pycocotools keeps it and said in ``notes``.
"""

import contextlib
import gc
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Optional, Union

import numpy as np

from ..errors import UserError, did_you_mean
from ..io import PathLike, read_json

AnnotationSource = Union[PathLike, dict, 'Annotations']
DetectionSource = Union[PathLike, Sequence[dict], 'Detections']


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
        place = f'{self.source}: annotations'
        segmentations = _column(self.records, 'segmentation', place)
        return _to_runs(segmentations, self.image_sizes[self.image], place)[0]

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
            if not isinstance(value, str) and _finite([value], 1) is None:
                raise UserError(
                    f"{self.source}: image {image_id!r} has {_kind(value)} as '{name}'; expected a "
                    'finite number or a text'
                )
        return [record[name] for record in self.image_records]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f'Annotations({self.source}: {len(self.image_ids)} images, {len(self)} objects, '
            f'{len(self.category_ids)} classes)'
        )


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections of one run as arrays, in the order of the file.

    Attributes:
        source: Where they came from, for messages.
        image: ``(n,)`` int32, an index into ``Annotations.image_ids``.
        category: ``(n,)`` int32, an index into ``Annotations.category_ids``.
        boxes: ``(n, 4)`` float64 ``x, y, width, height`` in pixels.
        scores: ``(n,)`` float64.
        area: ``(n,)`` float64, pycocotools' rule: of the box, or of the mask where the first
            entry of the file has no box.
        masks: ``n`` compressed run-length masks as pycocotools reads them, if asked for.
        notes: What a user should know, one sentence each.
    """

    source: str
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    area: np.ndarray
    masks: Optional[list[dict]] = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f'Detections({self.source}: {len(self)} detections)'


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
    data, where = _read(source, 'the annotations')
    if isinstance(data, list):
        raise UserError(
            f'{where} is a list, as files of detections are; expected the annotation file, '
            f"an object with 'images', 'annotations' and 'categories'"
        )
    if not isinstance(data, dict):
        raise UserError(f'{where} holds {_kind(data)}; expected an object (COCO annotations)')
    for key in ('images', 'annotations', 'categories'):
        if key not in data:
            hint = ' (a file of a test set without ground truth?)' if key == 'annotations' else ''
            raise UserError(
                f"{where} has no '{key}'{did_you_mean(key, data)}{hint}; COCO annotations need "
                "'images', 'annotations' and 'categories'"
            )
        if not isinstance(data[key], list):
            raise UserError(f"{where}: '{key}' is {_kind(data[key])}; expected a list")
    order = _order(data['images'], f'{where}: images', strings=True)
    images = [data['images'][i] for i in order]
    image_sizes = _sizes(data['images'], f'{where}: images')[order]
    image_index = {image['id']: i for i, image in enumerate(images)}
    order = _order(data['categories'], f'{where}: categories')
    categories = [data['categories'][i] for i in order]
    category_index = {category['id']: i for i, category in enumerate(categories)}
    if not images:
        raise UserError(f"{where}: 'images' is empty; there is nothing to evaluate")

    records, place = data['annotations'], f'{where}: annotations'
    ids = _integers(records, 'id', place)
    _refuse_repeats(ids.tolist(), place)
    image = _lookup(records, 'image_id', image_index, place, where)
    category = _lookup(records, 'category_id', category_index, place, where)
    boxes = _boxes(records, place)
    box_area = (boxes[:, 2] * boxes[:, 3]).tolist()
    area = _numbers([r.get('area', a) for r, a in zip(records, box_area)], 'area', place)
    iscrowd, ignore = (
        _numbers([_unflag(r.get(key, 0)) for r in records], key, place) != 0
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


def load_detections(
    source: DetectionSource, annotations: Annotations, iou_type: str = 'bbox'
) -> Detections:
    """Load detections in COCO's result format: a list of objects with image_id, category_id,
    score, and bbox or segmentation.

    An empty list is a result like any other: nothing was detected.

    Args:
        source: A JSON file, or the list that stands in one; loaded detections pass through.
        annotations: What the detections are for.
        iou_type: ``'bbox'``, or ``'segm'`` to keep the masks.

    Raises:
        UserError: The file cannot be read or is not a list of detections; an image or a category
            is not in ``annotations``; a box or a score is not finite, or a size is negative.
    """
    if isinstance(source, Detections):
        return source
    data, where = _read(source, 'the detections')
    if isinstance(data, dict):
        hint = ' (this is an annotation file)' if 'images' in data else ''
        raise UserError(f'{where} is an object{hint}; expected a list of detections')
    if not isinstance(data, (list, tuple)):
        raise UserError(f'{where} holds {_kind(data)}; expected a list of detections')
    images = {image_id: i for i, image_id in enumerate(annotations.image_ids)}
    categories = {category_id: i for i, category_id in enumerate(annotations.category_ids)}
    image = _lookup(data, 'image_id', images, where, annotations.source)
    category = _lookup(data, 'category_id', categories, where, annotations.source)
    scores = _numbers(_column(data, 'score', where), 'score', where)
    masks: Optional[list[dict]] = None
    if data and _is_empty(data[0].get('bbox')) and 'segmentation' in data[0]:
        segmentations = _column(data, 'segmentation', where)
        masks, area = _to_runs(segmentations, annotations.image_sizes[image], where)
        boxes = _boxes_of_masks(masks)
    else:
        boxes = _boxes(data, where)
        area = boxes[:, 2] * boxes[:, 3]
        if iou_type == 'segm':
            outlines = map(_outline, boxes.tolist())
            segmentations = [r.get('segmentation', o) for r, o in zip(data, outlines)]
            masks, _ = _to_runs(segmentations, annotations.image_sizes[image], where)
    return Detections(
        source=where,
        image=image,
        category=category,
        boxes=boxes,
        scores=scores,
        area=area,
        masks=masks if iou_type == 'segm' else None,
    )


def _read(source: Any, name: str) -> tuple[Any, str]:
    """Return the data and what to call it in messages."""
    if not isinstance(source, (str, os.PathLike)):
        return source, name
    with _collector_off():
        return read_json(os.fspath(source)), os.fspath(source)


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """Keep the cyclic collector from running, for nothing, over millions of new small objects."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _kind(value: Any) -> str:
    """Name a JSON value in a message."""
    names = {dict: 'an object', list: 'a list', bool: 'a boolean', type(None): 'null'}
    return names.get(type(value), f'{value!r:.40}')


def _column(records: Sequence[dict], key: str, place: str) -> list:
    """Return ``record[key]`` of every record."""
    try:
        return [record[key] for record in records]
    except (KeyError, TypeError, IndexError):
        for i, record in enumerate(records):
            if not isinstance(record, dict):
                raise UserError(f'{place}[{i}] is {_kind(record)}; expected an object') from None
            if key not in record:
                nearest = did_you_mean(key, record)
                raise UserError(f"{place}[{i}] has no '{key}'{nearest}") from None
        raise


def _is_number(kind: type) -> bool:
    return issubclass(kind, (int, float, np.integer, np.floating)) and kind is not bool


def _is_id(value: Any, strings: bool) -> bool:
    return isinstance(value, (int, np.integer, *([str] if strings else []))) and not isinstance(
        value, bool
    )


def _order(records: list, place: str, strings: bool = False) -> list[int]:
    """Return the entries' order by id.

    pycocotools sorts images and classes by id too: where scores tie, that order decides.
    """
    ids = _column(records, 'id', place)
    for i, value in enumerate(ids):
        if not _is_id(value, strings):
            expected = 'an integer or a string' if strings else 'an integer'
            raise UserError(f'{place}[{i}]: id is {_kind(value)}; expected {expected}')
        if isinstance(value, str) != isinstance(ids[0], str):
            raise UserError(f'{place}[{i}]: id is {value!r}, but {ids[0]!r} before; use one type')
    _refuse_repeats(ids, place)
    return sorted(range(len(ids)), key=ids.__getitem__)


def _refuse_repeats(ids: list, place: str) -> None:
    if len(set(ids)) == len(ids):
        return
    first: dict = {}
    for i, value in enumerate(ids):
        if first.setdefault(value, i) != i:
            raise UserError(
                f'{place}[{i}]: id {value!r} is already that of entry {first[value]}; '
                'every entry needs an id of its own'
            )


def _lookup(
    records: Sequence[dict], key: str, positions: dict[Any, int], place: str, annotations: str
) -> np.ndarray:
    """Return the positions of the ids that stand in ``key``, as ``(n,)`` int32."""
    values = _column(records, key, place)
    try:
        return np.fromiter((positions[v] for v in values), np.int32, len(values))
    except (KeyError, TypeError):
        unknown = [i for i, v in enumerate(values) if not _is_id(v, True) or v not in positions]
    i = unknown[0]
    noun = {'image_id': 'image', 'category_id': 'category'}[key]
    known = list(positions)
    if not _is_id(values[i], True):
        hint = 'expected an id'
    elif known and isinstance(known[0], str) != isinstance(values[i], str):
        hint = f'the ids there are of another type (as {known[0]!r}); use one type in both files'
    elif noun == 'category':
        hint = (
            f'it has {_few(known)}; a detector counts classes from 0: write the id that stands '
            'in the annotations'
        )
    else:
        hint = 'do the two belong to the same split?'
    raise UserError(
        f'{place}[{i}]: {key} {values[i]!r:.40} is no {noun} of {annotations} '
        f'({len(unknown)} of {len(values)} entries have such an id); {hint}'
    )


def _few(values: list) -> str:
    """Show the first values of a list."""
    return ', '.join(map(str, values[:5])) + (', ...' if len(values) > 5 else '')


def _integers(records: list, key: str, place: str) -> np.ndarray:
    values = _column(records, key, place)
    for i, value in enumerate(values):
        if not _is_id(value, strings=False) or abs(value) >= 1 << 53:
            raise UserError(
                f'{place}[{i}]: {key} is {_kind(value)}; expected an integer below 2^53'
            )
    return np.array(values, dtype=np.int64)


def _numbers(values: list, key: str, place: str) -> np.ndarray:
    """Return ``(n,)`` float64."""
    numbers = _finite(values, 1)
    if numbers is None:
        i = _first_not_finite(values, 1)
        raise UserError(f'{place}[{i}]: {key} is {_kind(values[i])}; expected a finite number')
    return numbers


def _boxes(records: Sequence[dict], place: str) -> np.ndarray:
    """Return the boxes that stand in ``bbox``, as ``(n, 4)`` float64."""
    values = _column(records, 'bbox', place)
    expected = 'expected [x, y, width, height], finite numbers with width and height >= 0'
    numbers = _finite(values, 4)
    if numbers is None:
        i = _first_not_finite(values, 4)
        raise UserError(f'{place}[{i}]: bbox is {values[i]!r:.60}; {expected}')
    boxes = numbers.reshape(-1, 4)
    negative = (boxes[:, 2:] < 0).any(axis=1)
    if negative.any():
        i = int(negative.argmax())
        raise UserError(f'{place}[{i}]: bbox {values[i]!r:.60} has a negative size; {expected}')
    return boxes


def _finite(values: list, width: int) -> Optional[np.ndarray]:
    """Return ``(n * width,)`` float64, or ``None`` when some entry is not ``width`` numbers."""
    try:
        if width > 1:
            if not set(map(len, values)) <= {width}:
                return None
            values = list(chain.from_iterable(values))
        # float() would take strings and booleans as well.
        if not all(_is_number(kind) for kind in set(map(type, values))):
            return None
        numbers = np.fromiter(values, float, len(values))
    except (TypeError, OverflowError):
        return None
    # Products of two must stay finite too.
    return numbers if (np.abs(numbers) < 1e100).all() else None


def _first_not_finite(values: list, width: int) -> int:
    return next(i for i, value in enumerate(values) if _finite([value], width) is None)


def _unflag(value: Any) -> Any:
    """Return what stands in ``iscrowd`` or ``ignore`` as a number: some writers use booleans."""
    return int(value) if isinstance(value, bool) else value


def _sizes(images: list[dict], place: str) -> np.ndarray:
    """Return ``(n, 2)`` width and height, ``nan`` where an image has none."""
    sizes = np.stack(
        [_numbers([i.get(side, -1) for i in images], side, place) for side in ('width', 'height')],
        1,
    )
    sizes[sizes < 0] = np.nan
    return sizes


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (list, tuple)) and not value)


def _to_runs(segmentations: list, sizes: np.ndarray, place: str) -> tuple[list[dict], np.ndarray]:
    from .masks import to_runs  # compiled: only who has masks waits for it

    return to_runs(segmentations, sizes, place)


def _boxes_of_masks(masks: list[dict]) -> np.ndarray:
    from pycocotools import mask as mask_api

    return mask_api.toBbox(masks).reshape(-1, 4)


def _outline(box: list[float]) -> list[list[float]]:
    """Return a box as a polygon: what pycocotools takes as the mask of a detection without one."""
    x, y, width, height = box
    return [[x, y, x, y + height, x + width, y + height, x + width, y]]


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
