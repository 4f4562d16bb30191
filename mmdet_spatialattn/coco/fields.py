"""Columns of COCO records as checked arrays; errors name the file, the entry and the remedy.

The *location* of some records is their file and list in messages: ``'val.json: annotations'``.
"""

import contextlib
import gc
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Optional

import numpy as np

from ..errors import UserError, did_you_mean
from ..io import read_json


def read_source(source: Any, default_name: str) -> tuple[Any, str]:
    """Return the data of a file or of the caller, and its name for messages."""
    if not isinstance(source, (str, os.PathLike)):
        return source, default_name
    with _collector_off():
        return read_json(os.fspath(source)), os.fspath(source)


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """Switch the cyclic garbage collector off, which finds nothing in millions of new records."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def describe_value(value: Any) -> str:
    """Describe a JSON value in a message."""
    types = {dict: 'an object', list: 'a list', bool: 'a boolean', type(None): 'null'}
    return types.get(type(value), f'{value!r:.40}')


def column(records: Sequence[dict], key: str, location: str) -> list:
    """Return ``record[key]`` of every record."""
    try:
        return [record[key] for record in records]
    except (KeyError, TypeError, IndexError):
        for i, record in enumerate(records):
            if not isinstance(record, dict):
                description = describe_value(record)
                raise UserError(f'{location}[{i}] is {description}; expected an object') from None
            if key not in record:
                nearest = did_you_mean(key, record)
                raise UserError(f"{location}[{i}] has no '{key}'{nearest}") from None
        raise


def _is_number(value_type: type) -> bool:
    numbers = (int, float, np.integer, np.floating)
    return issubclass(value_type, numbers) and value_type is not bool


def _is_id(value: Any, strings: bool) -> bool:
    return isinstance(value, (int, np.integer, *([str] if strings else []))) and not isinstance(
        value, bool
    )


def whole(value: Any) -> Any:
    """Return the integer for a whole float, which tables write for an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def positions_by_id(records: list, location: str, *, strings: bool = False) -> dict[Any, int]:
    """Return the position of every record by its id, in the order of the ids.

    pycocotools sorts images and classes by id too, and this order decides where scores tie.
    """
    ids = [whole(value) for value in column(records, 'id', location)]
    for i, value in enumerate(ids):
        if not _is_id(value, strings):
            expected = 'an integer or a string' if strings else 'an integer'
            raise UserError(f'{location}[{i}]: id is {describe_value(value)}; expected {expected}')
        if isinstance(value, str) != isinstance(ids[0], str):
            raise UserError(
                f'{location}[{i}]: id is {value!r}, but {ids[0]!r} before; use one type'
            )
    refuse_repeats(ids, location)
    return {ids[i]: i for i in sorted(range(len(ids)), key=ids.__getitem__)}


def refuse_repeats(ids: list, location: str) -> None:
    """Raise an error if two records have the same id."""
    if len(set(ids)) == len(ids):
        return
    first: dict = {}
    for i, value in enumerate(ids):
        if first.setdefault(value, i) != i:
            raise UserError(
                f'{location}[{i}]: id {value!r} is already that of entry {first[value]}; '
                'every entry needs an id of its own'
            )


def lookup(
    records: Sequence[dict], key: str, positions: dict[Any, int], location: str, annotations: str
) -> np.ndarray:
    """Return the positions of the ids in a field, ``(n,)`` int32.

    Args:
        records: The records.
        key: Their field, ``'image_id'`` or ``'category_id'``.
        positions: Position of every known id.
        location: Location of the records, for messages.
        annotations: Name of the annotations that the ids refer to, for messages.
    """
    values = column(records, key, location)
    try:
        return np.fromiter((positions[v] for v in values), np.int32, len(values))
    except (KeyError, TypeError):
        unknown = [i for i, v in enumerate(values) if not _is_id(v, True) or v not in positions]
    i = unknown[0]
    noun = {'image_id': 'an image', 'category_id': 'a category'}[key]
    known = list(positions)
    if not _is_id(values[i], True):
        hint = 'expected an id'
    elif known and isinstance(known[0], str) != isinstance(values[i], str):
        hint = f'the ids there are of another type (as {known[0]!r}); use one type in both files'
    elif key == 'category_id':
        hint = (
            f'it has {_first_values(known)}; a detector counts classes from 0: write the ids of '
            'the annotations'
        )
    else:
        hint = 'do the two belong to the same split?'
    raise UserError(
        f'{location}[{i}]: {key} {values[i]!r:.40} is not {noun} of {annotations} '
        f'({len(unknown)} of {len(values)} entries have such an id); {hint}'
    )


def _first_values(values: list) -> str:
    return ', '.join(map(str, values[:5])) + (', ...' if len(values) > 5 else '')


def integers(records: list, key: str, location: str) -> np.ndarray:
    """Return the integers in a field, ``(n,)`` int64."""
    values = [whole(value) for value in column(records, key, location)]
    for i, value in enumerate(values):
        if not _is_id(value, strings=False) or abs(value) >= 1 << 53:
            raise UserError(
                f'{location}[{i}]: {key} is {describe_value(value)}; expected an integer below 2^53'
            )
    return np.array(values, dtype=np.int64)


def numbers(values: list, key: str, location: str) -> np.ndarray:
    """Return finite numbers, ``(n,)`` float64.

    Args:
        values: One value per record.
        key: The field they come from, for messages.
        location: Location of the records, for messages.
    """
    checked = finite(values, 1)
    if checked is None:
        i = _first_not_finite(values, 1)
        description = describe_value(values[i])
        raise UserError(f'{location}[{i}]: {key} is {description}; expected a finite number')
    return checked


def boxes_of(records: Sequence[dict], location: str) -> np.ndarray:
    """Return the boxes in the field ``bbox``, ``(n, 4)`` float64."""
    values = column(records, 'bbox', location)
    expected = 'expected [x, y, width, height], finite numbers with width and height >= 0'
    checked = finite(values, 4)
    if checked is None:
        i = _first_not_finite(values, 4)
        raise UserError(f'{location}[{i}]: bbox is {values[i]!r:.60}; {expected}')
    boxes = checked.reshape(-1, 4)
    negative = (boxes[:, 2:] < 0).any(axis=1)
    if negative.any():
        i = int(negative.argmax())
        raise UserError(f'{location}[{i}]: bbox {values[i]!r:.60} has a negative size; {expected}')
    return boxes


def finite(values: list, width: int) -> Optional[np.ndarray]:
    """Return ``(n * width,)`` float64, or ``None`` if an entry is not ``width`` finite numbers."""
    try:
        if width > 1:
            if not set(map(len, values)) <= {width}:
                return None
            values = list(chain.from_iterable(values))
        # float() would take strings and booleans as well.
        if not all(_is_number(value_type) for value_type in set(map(type, values))):
            return None
        array = np.fromiter(values, float, len(values))
    except (TypeError, OverflowError):
        return None
    # Products of two must stay finite too.
    return array if (np.abs(array) < 1e100).all() else None


def _first_not_finite(values: list, width: int) -> int:
    return next(i for i, value in enumerate(values) if finite([value], width) is None)


def is_empty(value: Any) -> bool:
    """Tell whether a field holds nothing: null or an empty list."""
    return value is None or (isinstance(value, (list, tuple)) and not value)
