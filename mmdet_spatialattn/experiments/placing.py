"""Put attention into a detector's config, at the neck, the backbone, or where a pattern matches."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from torch import nn

from ..attention.catalogue import find_attention
from ..errors import UserError
from ..insertion.recipe import attention_in, first_of
from .checks import build_checked_model
from .config import parts_of

PLACES = ('neck', 'backbone', 'both')
"""Places with a name; any other is a regular expression of module paths."""

_ENTRIES: Mapping[str, tuple[dict[str, Any], ...]] = {
    'neck': (dict(position='output'),),
    'backbone': (
        dict(stages=(False, True, True, True), position='after_conv3'),
        dict(stages=(False, True, True, True), position='after_conv2'),
        dict(position='output'),
    ),
}
"""Placements by place, the first that fits is taken: bottlenecks, basic blocks, any backbone."""


def attention_changes(config: Config, module: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the keys of ``model`` that change where attention is inserted.

    Args:
        config: The whole config of the detector.
        module: Config of the attention, ``dict(type='CBAM', identity_init=True)``.
        place: One of :data:`PLACES`, or a regular expression that the paths of modules match in
            full, from the detector on: ``r'backbone\\.layer4\\.\\d+\\.conv2'``.

    Returns:
        Changes that a config which inherits from ``config`` may write as its ``model``.

    Raises:
        UserError: The detector has no such part, nothing matches, or the attention does not fit.
    """
    find_attention(module['type'])
    if place not in PLACES:
        return _at_pattern(config, module, place)
    parts = ('backbone', 'neck') if place == 'both' else (place,)
    changes: dict[str, Any] = {}
    for part in parts:
        changes |= _first_that_fits(config, module, part)
    return changes


def _first_that_fits(config: Config, module: Mapping[str, Any], part: str) -> dict[str, Any]:
    if not config.model.get(part):
        known = [name for name in ('backbone', 'neck') if config.model.get(name)]
        raise UserError(
            f'the detector has no {part} of its own; attention can go into: {", ".join(known)}'
        )
    refusals = []
    for entry in _ENTRIES[part] if not _is_guided(module) else _guided_entries(config, part):
        changes = {part: attention_in(config.model[part], [dict(cfg=dict(module), **entry)])}
        try:
            _try(config, changes)
        except UserError as error:
            refusals.append(str(error))
        else:
            return changes
    reason = refusals[-1] if refusals else 'it needs a second map, which only a neck has'
    raise UserError(f"'{module['type']}' does not fit the {part}: {reason}")


def _is_guided(module: Mapping[str, Any]) -> bool:
    return find_attention(module['type']).family == 'guided'


def _guided_entries(config: Config, part: str) -> tuple[dict[str, Any], ...]:
    """Return placements of attention with a guide: all laterals but the guide's own."""
    neck = config.model[part]
    channels = first_of(neck).get('in_channels')
    if part != 'neck' or not isinstance(channels, (list, tuple)):
        return ()
    levels = tuple(range(len(channels) - first_of(neck).get('start_level', 0) - 1))
    return (dict(position='lateral', levels=levels, guide='top'),)


def _at_pattern(config: Config, module: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    try:
        matches = re.compile(pattern)
    except re.error as error:
        raise UserError(f"'{pattern}' is no regular expression: {error}") from error
    paths = dict(build_checked_model(config).named_modules())
    found = [path for path in paths if path and matches.fullmatch(path)]
    if not found:
        raise UserError(
            f"no module of the detector matches '{pattern}'; it is matched with the whole path, "
            f'such as {", ".join(_examples(paths))}; or give one of {", ".join(PLACES)}'
        )
    by_part: dict[str, list[str]] = {}
    for path in found:
        part, _, rest = path.partition('.')
        if not rest or not isinstance(config.model.get(part), dict):
            raise UserError(
                f"'{pattern}' matches '{path}'; attention goes into modules below one of the parts "
                f'{", ".join(parts_of(config))}'
            )
        by_part.setdefault(part, []).append(rest)
    changes = {
        part: attention_in(
            config.model[part], [dict(cfg=dict(module), at='|'.join(map(re.escape, rests)))]
        )
        for part, rests in by_part.items()
    }
    _try(config, changes)
    return changes


def _examples(paths: Mapping[str, nn.Module]) -> Iterator[str]:
    """Yield the path of one convolution of each part."""
    convolutions = [path for path, module in paths.items() if isinstance(module, nn.Conv2d)]
    yield from {path.partition('.')[0]: path for path in convolutions}.values()


def _try(config: Config, changes: dict[str, Any]) -> None:
    """Build the detector with the changes.

    Raises:
        UserError: The attention does not fit.
    """
    trial = copy.deepcopy(config)
    trial.merge_from_dict({'model': changes})
    build_checked_model(trial)
