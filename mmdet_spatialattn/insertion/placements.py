"""From an entry to its places in a model: named placements, or a pattern over module paths."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mmcv.cnn import ConvModule
from torch import nn

from ..errors import UserError, did_you_mean
from . import pyramid, resnet
from .attach import TOKEN, Place, run_target
from .dry_run import DryRun
from .entry import Entry, choose
from .guide import parse_guide

Finder = Callable[[nn.Module, Entry], Iterable[Place]]
EVERYWHERE = ('input', 'output')
"""Positions of any module that takes or gives maps, even where nothing else is known of it."""
DECLARE_CHANNELS = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    ConvModule,
)


@dataclass
class Found:
    """The places of an entry, and what to tell the user of them."""

    places: list[Place] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def find_places(model: nn.Module, entry: Entry, dry_run: DryRun) -> Found:
    """Return the places of ``entry`` in ``model``, with their channels.

    Raises:
        UserError: There is none, or the channels cannot be told; the message says what there is.
    """
    try:
        part = ''
        candidates: Iterable[Place]
        if entry.at is not None:
            candidates = _matching(model, entry)
        else:
            part, candidates = _named(model, entry, dry_run)
        found = _settle(model, entry, candidates, dry_run)
        if entry.guide is not None:
            source = parse_guide(entry.guide, part, _inputs(model, part, dry_run))
            found.places = [replace(place, guide=source) for place in found.places]
        return found
    except UserError as error:
        raise UserError(f'{entry.name}: {error}') from error


def _settle(model: nn.Module, entry: Entry, candidates: Iterable[Place], dry_run: DryRun) -> Found:
    """Give each place the module to attach to and its channels; each module once."""
    found, seen = Found(), dict[tuple, str]()
    for place in candidates:
        path = run_target(model, place.path, place.side)
        key = (id(model.get_submodule(path)), place.side, place.index)
        if key in seen:
            found.warnings.append(
                f"{entry.name}: '{place.path}' and '{seen[key]}' are one module, which gets "
                f'attention once; narrow the pattern'
            )
            continue
        seen[key] = place.path
        place = replace(place, path=path)
        channels = entry.in_channels or place.channels or _channels(model, place, dry_run)
        found.places.append(replace(place, channels=channels, frozen_ok=entry.frozen_ok))
    return found


def _named(model: nn.Module, entry: Entry, dry_run: DryRun) -> tuple[str, Iterable[Place]]:
    """Return the path of the part that has the entry's position, and the places below ``model``."""
    position = str(entry.position)
    hosts = list(_hosts(model))
    offering = [(path, places) for path, positions, places in hosts if position in positions]
    if len(offering) > 1:
        paths = ', '.join(path or 'the model itself' for path, _ in offering)
        raise UserError(
            f"several parts have a position '{position}' ({paths}); insert into one of them alone, "
            f"or name the modules with at='...'"
        )
    if offering:
        path, places = offering[0]
        below = f'{path}.' if path else ''
        return path, [
            replace(place, path=f'{below}{place.path}'.rstrip('.'))
            for place in places(model.get_submodule(path), entry)
        ]
    if position in EVERYWHERE:
        return '', _all_maps(model, entry, dry_run)
    known = list(dict.fromkeys([p for _, positions, _ in hosts for p in positions] + [*EVERYWHERE]))
    raise UserError(
        f"no position '{position}' in a {type(model).__name__}{did_you_mean(position, known)} "
        f"(it has {', '.join(known)}; at='...' reaches any module)"
    )


def _hosts(model: nn.Module, path: str = '') -> Iterator[tuple[str, tuple[str, ...], Finder]]:
    """Yield path, positions and finder of the outermost parts that have named placements."""
    if resnet.stages(model):
        yield path, resnet.POSITIONS, resnet.places
        return
    neck = pyramid.read_pyramid(model)
    if neck is not None:
        known = neck
        yield path, neck.positions, lambda _, entry: pyramid.places(model, known, entry)
        return
    for name, child in model.named_children():
        yield from _hosts(child, f'{path}.{name}' if path else name)


def _all_maps(model: nn.Module, entry: Entry, dry_run: DryRun) -> Iterator[Place]:
    side = 'before' if entry.position == 'input' else 'after'
    channels = dry_run.channels('', side)
    if channels is None:
        raise UserError(
            f"position '{entry.position}' needs maps (N, C, H, W), and not only such go in and out "
            f"of a {type(model).__name__}; name a part of it with at='...'"
        )
    if isinstance(channels, int):
        yield Place('', side, str(entry.position), channels=channels)
        return
    for level in choose(entry, 'levels', range(len(channels))):
        yield Place('', side, str(entry.position), level, channels[level])


def _matching(model: nn.Module, entry: Entry) -> list[Place]:
    try:
        pattern = re.compile(str(entry.at))
    except re.error as error:
        raise UserError(f'at={entry.at!r} is no regular expression: {error}') from error
    paths = [path for path, _ in model.named_modules(remove_duplicate=False) if TOKEN not in path]
    matching = [path for path in paths if pattern.fullmatch(path)]
    if not matching:
        raise UserError(
            f'at={entry.at!r} matches no module path of this {type(model).__name__} in full; '
            f'near it are {_nearest(str(entry.at), paths)}'
        )
    side = 'before' if entry.before else 'after'
    return [Place(path, side, str(entry.at)) for path in matching]


def _nearest(pattern: str, paths: list[str]) -> str:
    """Return the paths most like a pattern, read with the first member of each of its classes."""
    plain = re.sub(r'\[(.)[^]]*\]', r'\1', pattern).replace(r'\d', '0')
    near = difflib.get_close_matches(re.sub(r'[\\+*?()]', '', plain), paths, n=3, cutoff=0.4)
    return ', '.join(map(repr, near or [path for path in paths if path][:3]))


def _channels(model: nn.Module, place: Place, dry_run: DryRun) -> int:
    """Return the channels at a place that its finder did not know."""
    target: Any = model.get_submodule(place.path)
    names = ('in_channels',) if place.side == 'before' else ('out_channels',)
    if isinstance(target, DECLARE_CHANNELS):
        for name in (*names, 'num_features', 'num_channels'):
            if isinstance(getattr(target, name, None), int):
                return getattr(target, name)
    where = f"'{place.path}' ({type(target).__name__})" if place.path else 'the model'
    what = f'what goes into {where}' if place.side == 'before' else f'what comes out of {where}'
    try:
        channels = dry_run.channels(place.path, place.side)
    except UserError as error:
        raise UserError(
            f'cannot tell the channels of {what}: {error}; give in_channels=... in the entry, or '
            f'an example input'
        ) from error
    last = getattr(target, 'out_features', 0) or getattr(target, 'normalized_shape', [0])[-1]
    if last and channels != last:
        raise UserError(f'{what} has the channels last; attention needs maps (N, C, H, W)')
    several = set(channels) if isinstance(channels, list) else {channels}
    if len(several) > 1 or None in several:
        raise UserError(
            f'{what} is not one map (N, C, H, W), or maps of equal channels, or it does not run'
        )
    return several.pop()


def _inputs(model: nn.Module, path: str, dry_run: DryRun) -> dict[int, int]:
    """Return the channels of the maps that go into the part at ``path``."""
    part = model.get_submodule(path)
    neck = pyramid.read_pyramid(part)
    channels = neck.inputs if neck is not None else dry_run.channels(path, 'before')
    if isinstance(channels, list):
        channels = dict(enumerate(channels))
    if not isinstance(channels, dict):
        raise UserError(
            f'guide=... takes one of the maps that go into a neck; a {type(part).__name__} has no '
            f'such inputs'
        )
    return channels
