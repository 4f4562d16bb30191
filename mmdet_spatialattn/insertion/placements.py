"""From an entry to its places in a model: named placements, or a pattern over module paths."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from torch import nn

from ..errors import UserError, did_you_mean
from . import pyramid, resnet
from .attach import TOKEN, Place, run_target
from .entry import Entry

Finder = Callable[[nn.Module, Entry], Iterable[Place]]


def find_places(model: nn.Module, entry: Entry) -> list[Place]:
    """Return the places of ``entry`` in ``model``, in the model's order.

    Raises:
        UserError: There is none; the message says what there is instead.
    """
    found = _matching(model, entry) if entry.at is not None else _named(model, entry)
    places = [replace(place, path=run_target(model, place.path, place.side)) for place in found]
    seen: dict[tuple, Place] = {}
    for place in places:
        key = (id(model.get_submodule(place.path)), place.side, place.index)
        seen.setdefault(key, place)
    return list(seen.values())


def _named(model: nn.Module, entry: Entry) -> Iterator[Place]:
    hosts = list(_hosts(model))
    offering = [(path, places) for path, positions, places in hosts if entry.position in positions]
    if not offering:
        known = list(dict.fromkeys(p for _, positions, _ in hosts for p in positions))
        has = f'it has {", ".join(known)}' if known else 'it has no named positions'
        nearest = did_you_mean(str(entry.position), known)
        raise UserError(
            f"{entry.name}: no position '{entry.position}' in a {type(model).__name__}{nearest} "
            f"({has}; at='...' reaches any module)"
        )
    if len(offering) > 1:
        paths = ', '.join(path or 'the model itself' for path, _ in offering)
        raise UserError(
            f"{entry.name}: several parts have a position '{entry.position}' ({paths}); insert "
            f"into one of them alone, or name the modules with at='...'"
        )
    path, places = offering[0]
    for place in places(model.get_submodule(path), entry):
        yield replace(place, path='.'.join(filter(None, (path, place.path))))


def _hosts(model: nn.Module, path: str = '') -> Iterator[tuple[str, tuple[str, ...], Finder]]:
    """Yield path, positions and finder of the outermost parts that have named placements."""
    if resnet.stages(model):
        yield path, resnet.POSITIONS, resnet.places
        return
    neck = pyramid.read_pyramid(model)
    if neck is not None:
        known = neck
        yield path, neck.positions, lambda part, entry: pyramid.places(part, known, entry)
        return
    for name, child in model.named_children():
        yield from _hosts(child, f'{path}.{name}' if path else name)


def _matching(model: nn.Module, entry: Entry) -> Iterator[Place]:
    try:
        pattern = re.compile(entry.at or '')
    except re.error as error:
        raise UserError(
            f'{entry.name}: at={entry.at!r} is no regular expression: {error}'
        ) from error
    paths = [path for path, _ in model.named_modules(remove_duplicate=False) if TOKEN not in path]
    matching = [path for path in paths if pattern.fullmatch(path)]
    if not matching:
        raise UserError(
            f'{entry.name}: at={entry.at!r} matches no module path of this '
            f'{type(model).__name__} in full; {_nearest(str(entry.at), paths)}'
        )
    side = 'before' if entry.before else 'after'
    for path in matching:
        yield Place(path, side, str(entry.at))


def _nearest(pattern: str, paths: list[str]) -> str:
    import difflib

    plain = re.sub(r'\\(.)', lambda m: '0' if m[1] == 'd' else m[1], pattern).replace('+', '')
    near = difflib.get_close_matches(plain, paths, n=3, cutoff=0.4) or [p for p in paths if p][:3]
    return f'near it are {", ".join(map(repr, near))}'
