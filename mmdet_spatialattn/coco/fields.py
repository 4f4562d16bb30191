"""Columns of COCO records as checked arrays; errors name the file, the entry and the remedy."""

import contextlib
import gc
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Optional

import numpy as np

from ..errors import UserError, did_you_mean
from ..io import read_json


def read_source(source: Any, name: str) -> tuple[Any, str]:
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


def kind_of(value: Any) -> str:
    """Name a JSON value in a message."""
    names = {dict: 'an object', list: 'a list', bool: 'a boolean', type(None): 'null'}
    return names.get(type(value), f'{value!r:.40}')


def column(records: Sequence[dict], key: str, place: str) -> list:
    """Return ``record[key]`` of every record."""
    try:
        return [record[key] for record in records]
    except (KeyError, TypeError, IndexError):
        for i, record in enumerate(records):
            if not isinstance(record, dict):
                raise UserError(f'{place}[{i}] is {kind_of(record)}; expected an object') from None
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


def order_by_id(records: list, place: str, strings: bool = False) -> list[int]:
    """Return the entries' order by id.

    pycocotools sorts images and classes by id too: where scores tie, that order decides.
    """
    ids = column(records, 'id', place)
    for i, value in enumerate(ids):
        if not _is_id(value, strings):
            expected = 'an integer or a string' if strings else 'an integer'
            raise UserError(f'{place}[{i}]: id is {kind_of(value)}; expected {expected}')
        if isinstance(value, str) != isinstance(ids[0], str):
            raise UserError(f'{place}[{i}]: id is {value!r}, but {ids[0]!r} before; use one type')
    refuse_repeats(ids, place)
    return sorted(range(len(ids)), key=ids.__getitem__)


def refuse_repeats(ids: list, place: str) -> None:
    if len(set(ids)) == len(ids):
        return
    first: dict = {}
    for i, value in enumerate(ids):
        if first.setdefault(value, i) != i:
            raise UserError(
                f'{place}[{i}]: id {value!r} is already that of entry {first[value]}; '
                'every entry needs an id of its own'
            )


def lookup(
    records: Sequence[dict], key: str, positions: dict[Any, int], place: str, annotations: str
) -> np.ndarray:
    """Return the positions of the ids that stand in ``key``, as ``(n,)`` int32."""
    values = column(records, key, place)
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


def integers(records: list, key: str, place: str) -> np.ndarray:
    values = column(records, key, place)
    for i, value in enumerate(values):
        if not _is_id(value, strings=False) or abs(value) >= 1 << 53:
            raise UserError(
                f'{place}[{i}]: {key} is {kind_of(value)}; expected an integer below 2^53'
            )
    return np.array(values, dtype=np.int64)


def numbers(values: list, key: str, place: str) -> np.ndarray:
    """Return ``(n,)`` float64."""
    numbers = finite(values, 1)
    if numbers is None:
        i = _first_not_finite(values, 1)
        raise UserError(f'{place}[{i}]: {key} is {kind_of(values[i])}; expected a finite number')
    return numbers


def boxes_of(records: Sequence[dict], place: str) -> np.ndarray:
    """Return the boxes that stand in ``bbox``, as ``(n, 4)`` float64."""
    values = column(records, 'bbox', place)
    expected = 'expected [x, y, width, height], finite numbers with width and height >= 0'
    numbers = finite(values, 4)
    if numbers is None:
        i = _first_not_finite(values, 4)
        raise UserError(f'{place}[{i}]: bbox is {values[i]!r:.60}; {expected}')
    boxes = numbers.reshape(-1, 4)
    negative = (boxes[:, 2:] < 0).any(axis=1)
    if negative.any():
        i = int(negative.argmax())
        raise UserError(f'{place}[{i}]: bbox {values[i]!r:.60} has a negative size; {expected}')
    return boxes


def finite(values: list, width: int) -> Optional[np.ndarray]:
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
    return next(i for i, value in enumerate(values) if finite([value], width) is None)


def is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (list, tuple)) and not value)
