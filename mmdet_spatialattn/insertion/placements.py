"""Find the placements of an entry in a model: by a named position, or by a pattern over paths."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from mmcv.cnn import ConvModule
from torch import nn

from ..errors import UserError, did_you_mean
from . import pyramid, resnet
from .attach import TOKEN, Placement, run_target
from .dry_run import DryRun
from .entry import Entry, choose
from .guide import parse_guide

Finder = Callable[[nn.Module, Entry], Iterable[Placement]]
EVERYWHERE = ('input', 'output')
"""Positions that every module has that takes or returns maps."""
DECLARE_CHANNELS = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    ConvModule,
)
OTHER_DIMENSIONS = (
    *(nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d, nn.InstanceNorm1d),
    *(nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d, nn.InstanceNorm3d),
)
"""Modules whose maps have one or three dimensions."""


class Placements(NamedTuple):
    """The placements of an entry, and warnings about them for the user."""

    placements: list[Placement]
    warnings: list[str]


def find_placements(model: nn.Module, entry: Entry, dry_run: DryRun) -> Placements:
    """Return the placements of ``entry`` in ``model``, with their channels.

    Raises:
        UserError: There is none, or their channels are not known; the message lists what exists.
    """
    try:
        part = ''
        candidates: Iterable[Placement]
        if entry.at is not None:
            candidates = _matching(model, entry)
        else:
            part, candidates = _named(model, entry, dry_run)
        placements, warnings = _settle(model, entry, candidates, dry_run)
        if entry.guide is not None:
            source = parse_guide(entry.guide, part, _inputs(model, part, dry_run))
            placements = [replace(placement, guide=source) for placement in placements]
        return Placements(placements, warnings)
    except UserError as error:
        raise UserError(f'{entry.name}: {error}') from error


def _settle(
    model: nn.Module, entry: Entry, candidates: Iterable[Placement], dry_run: DryRun
) -> Placements:
    """Give each candidate its target and its channels; leave out targets that occur again."""
    placements: list[Placement] = []
    warnings: list[str] = []
    paths: dict[tuple, str] = {}
    for candidate in candidates:
        path = run_target(model, candidate.path, candidate.side)
        key = (id(model.get_submodule(path)), candidate.side, candidate.index)
        if key in paths:
            warnings.append(
                f"{entry.name}: '{candidate.path}' and '{paths[key]}' are one module, which gets "
                f'attention once; narrow the pattern'
            )
            continue
        paths[key] = candidate.path
        placement = replace(candidate, path=path, frozen_ok=entry.frozen_ok)
        if placement.channels is None:
            _refuse_other_shapes(model, placement, dry_run)
        channels = entry.in_channels or placement.channels or _channels(model, placement, dry_run)
        placements.append(replace(placement, channels=channels))
    return Placements(placements, warnings)


def _named(model: nn.Module, entry: Entry, dry_run: DryRun) -> tuple[str, Iterable[Placement]]:
    """Return the path of the part that has the entry's position, and the placements there."""
    position = str(entry.position)
    hosts = list(_hosts(model))
    offering = [(path, finder) for path, positions, finder in hosts if position in positions]
    if len(offering) > 1:
        paths = ', '.join(path or 'the model itself' for path, _ in offering)
        raise UserError(
            f"several parts have a position '{position}' ({paths}); insert into one of them alone, "
            f"or name the modules with at='...'"
        )
    if offering:
        path, finder = offering[0]
        prefix = f'{path}.' if path else ''
        return path, [
            replace(placement, path=f'{prefix}{placement.path}'.rstrip('.'))
            for placement in _found(model.get_submodule(path), entry, finder)
        ]
    if position in EVERYWHERE:
        entry.refuse(('stages', 'blocks'), f"position='{position}', where levels chooses")
        return '', _all_maps(model, entry, dry_run)
    known = list(dict.fromkeys([p for _, positions, _ in hosts for p in positions] + [*EVERYWHERE]))
    raise UserError(
        f"no position '{position}' in a {type(model).__name__}{did_you_mean(position, known)} "
        f"(it has {', '.join(known)}; at='...' reaches any module)"
    )


def _found(part: nn.Module, entry: Entry, finder: Finder) -> list[Placement]:
    """Return the placements in a part.

    Raises:
        UserError: There are none, or the part has blocks of another kind than its names suggest.
    """
    try:
        placements = list(finder(part, entry))
        for placement in placements:
            part.get_submodule(placement.path)
        return placements
    except AttributeError as error:
        raise UserError(
            f"position '{entry.position}' is not known in the blocks of this "
            f"{type(part).__name__} ({error}); name the modules with at='...'"
        ) from error


def _hosts(model: nn.Module, path: str = '') -> Iterator[tuple[str, tuple[str, ...], Finder]]:
    """Yield path, positions and finder of the outermost parts that have named positions."""
    if resnet.stages(model):
        yield path, resnet.POSITIONS, resnet.placements
        return
    neck = pyramid.read_pyramid(model)
    if neck is not None:
        yield path, neck.positions, partial(pyramid.placements, pyramid=neck)
        return
    for name, child in model.named_children():
        yield from _hosts(child, f'{path}.{name}' if path else name)


def _all_maps(model: nn.Module, entry: Entry, dry_run: DryRun) -> Iterator[Placement]:
    side = 'before' if entry.position == 'input' else 'after'
    if entry.in_channels and entry.levels is None:
        yield Placement('', side, str(entry.position), channels=entry.in_channels)
        return
    channels = dry_run.channels('', side)
    if channels is None:
        raise UserError(
            f"position '{entry.position}' needs maps (N, C, H, W), and a {type(model).__name__} "
            f"also takes or returns something else; name a part of it with at='...'"
        )
    if isinstance(channels, int):
        entry.refuse(('levels',), f"position='{entry.position}' of a module with one map")
        yield Placement('', side, str(entry.position), channels=channels)
        return
    if side == 'before' and len(channels) == 1:
        # Of several maps a neck with one number of channels reads the last.
        yield Placement('', side, str(entry.position), -1, channels[0])
        return
    for level in choose(entry, 'levels', range(len(channels))):
        yield Placement('', side, str(entry.position), level, channels[level])


def _matching(model: nn.Module, entry: Entry) -> list[Placement]:
    try:
        pattern = re.compile(str(entry.at))
    except re.error as error:
        raise UserError(f'at={entry.at!r} is no regular expression: {error}') from error
    paths = [path for path, _ in model.named_modules(remove_duplicate=False) if TOKEN not in path]
    matching = [path for path in paths if pattern.fullmatch(path)]
    if not matching:
        raise UserError(
            f'at={entry.at!r} matches no module path of this {type(model).__name__} in full; '
            f'the nearest are {_nearest(str(entry.at), paths)}'
        )
    side = 'before' if entry.before else 'after'
    return [Placement(path, side, str(entry.at)) for path in matching]


def _nearest(pattern: str, paths: list[str]) -> str:
    """Return the paths that are most like a pattern."""
    plain = re.sub(r'\[(.)[^]]*\]', r'\1', pattern).replace(r'\d', '0')
    near = difflib.get_close_matches(re.sub(r'[\\+*?()]', '', plain), paths, n=3, cutoff=0.4)
    return ', '.join(map(repr, near or [path for path in paths if path][:3]))


def _channels(model: nn.Module, placement: Placement, dry_run: DryRun) -> int:
    """Return the channels of a placement: those that the target declares, or from the dry run."""
    before = placement.side == 'before'
    target: Any = model.get_submodule(placement.path)
    if isinstance(target, DECLARE_CHANNELS):
        name = 'in_channels' if before else 'out_channels'
        for attribute in (name, 'num_features', 'num_channels'):
            if isinstance(getattr(target, attribute, None), int):
                return getattr(target, attribute)
    maps = _maps(target, placement)
    try:
        channels = dry_run.channels(placement.path, placement.side)
    except UserError as error:
        raise UserError(
            f'cannot tell the channels of {maps}: {error}; give in_channels=... in the entry, or '
            f'an example input'
        ) from error
    last = getattr(target, 'out_features', 0) or getattr(target, 'normalized_shape', [0])[-1]
    if last and channels != last:
        raise UserError(f'{maps} has the channels last; attention needs maps (N, C, H, W)')
    several = set(channels) if isinstance(channels, list) else {channels}
    if len(several) > 1 or None in several:
        raise UserError(
            f'{maps} is not one map (N, C, H, W), or maps of equal channels, or it does not run'
        )
    return several.pop()


def _maps(target: nn.Module, placement: Placement) -> str:
    """Return in words what passes at a placement."""
    label = f"'{placement.path}' ({type(target).__name__})" if placement.path else 'the model'
    return f'what {"goes into" if placement.side == "before" else "comes out of"} {label}'


def _refuse_other_shapes(model: nn.Module, placement: Placement, dry_run: DryRun) -> None:
    """Refuse a place where something else passes than maps, and name the nearest that fit."""
    target = model.get_submodule(placement.path)
    if isinstance(target, DECLARE_CHANNELS) and not isinstance(target, OTHER_DIMENSIONS):
        return
    if isinstance(target, OTHER_DIMENSIONS):
        raise UserError(f'{_maps(target, placement)} has no maps (N, C, H, W)')
    obstacle = dry_run.obstacle(placement.path, placement.side)
    if obstacle:
        near = difflib.get_close_matches(placement.path, dry_run.maps(placement.side), 3, 0.0)
        raise UserError(
            f'{_maps(target, placement)} {obstacle}; attention needs maps (N, C, H, W), as there '
            f'are {"before" if placement.side == "before" else "after"} '
            f'{", ".join(map(repr, near)) or "no modules of this model"}, or at the positions of '
            'its backbone and neck'
        )


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
