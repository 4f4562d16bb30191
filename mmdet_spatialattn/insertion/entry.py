"""One entry of ``attention=[...]``: which module is inserted at which placements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Optional, Union

from ..errors import UserError, did_you_mean, error_prefix

Choice = Union[str, Sequence[bool], Sequence[int], None]
"""A choice among stages, blocks or levels; see :func:`choose`."""


@dataclass(frozen=True)
class Entry:
    """One entry; its keys are those of MMDetection's plugins, and more.

    Attributes:
        name: Name in messages, ``attention[0]``.
        cfg: Config of the module: ``dict(type='CBAM', reduction=16)``.
        position: Named position. Either this or ``at`` is given.
        at: Regular expression that the paths of the targets match in full.
        before: With ``at``: attend to the input of the target instead of its output.
        stages: Stages of a ResNet, for its named positions: one bool per stage.
        blocks: Blocks in each stage, for named positions in a block: ``'all'``, ``'last'`` or
            indices.
        levels: Levels of a pyramid, for its named positions: indices, or one bool per level.
        shared: Whether one set of weights serves all placements of the entry.
        in_channels: Channels of the maps, where the model does not tell.
        guide: Guide of a guided module: ``'top'``, ``'global'`` or a level of the neck's input.
        frozen_ok: Whether the module may stay as it was initialised, in a frozen stage.
    """

    name: str
    cfg: dict
    position: Optional[str] = None
    at: Optional[str] = None
    before: bool = False
    stages: Choice = None
    blocks: Choice = None
    levels: Choice = None
    shared: bool = False
    in_channels: Optional[int] = None
    guide: Union[str, int, None] = None
    frozen_ok: bool = False

    @property
    def module(self) -> str:
        """Name of the type of the module."""
        kind = self.cfg['type']
        return kind if isinstance(kind, str) else getattr(kind, '__name__', repr(kind))

    def refuse(self, keys: Iterable[str], alternative: str) -> None:
        """Refuse keys that choose where there is nothing to choose.

        Raises:
            UserError: The entry has one of these keys.
        """
        for key in keys:
            if getattr(self, key) is not None:
                raise UserError(f'{key} does not go with {alternative}')


_CHOICES = ('stages', 'blocks', 'levels')

KEYS = tuple(field.name for field in fields(Entry) if field.name != 'name')


def parse_entries(attention: Iterable[dict]) -> list[Entry]:
    """Return the entries of ``attention=[...]``.

    Raises:
        UserError: The list or an entry is malformed; the message names the entry and the key.
    """
    if isinstance(attention, dict):
        attention = [attention]
    if isinstance(attention, str) or not isinstance(attention, Iterable):
        raise UserError(f'attention must be a list of entries, dict(cfg=...), got {attention!r}')
    return [_parse(entry, f'attention[{i}]') for i, entry in enumerate(attention)]


def _parse(given: Any, name: str) -> Entry:
    if not isinstance(given, dict):
        raise UserError(f'{name} must be a dict with the key cfg, got {given!r}')
    for key in given:
        if key not in KEYS:
            nearest = did_you_mean(key, KEYS)
            raise UserError(f"{name}: unknown key '{key}'{nearest} (known: {', '.join(KEYS)})")
    cfg = given.get('cfg')
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise UserError(f"{name}: cfg must be a dict with a type, dict(type='CBAM'), got {cfg!r}")
    entry = Entry(name, **dict(given, cfg=dict(cfg)))
    if (entry.position is None) == (entry.at is None):
        raise UserError(
            f"{name}: give either position='...' (a named placement) or at='...' (a pattern over "
            f'module paths), got position={entry.position!r} and at={entry.at!r}'
        )
    if entry.before and entry.at is None:
        raise UserError(f'{name}: before=True goes with at=...; a position says where by its name')
    if entry.at is not None:
        with error_prefix(name):
            entry.refuse(_CHOICES, 'at=... (put the choice into the pattern)')
    channels = entry.in_channels
    if channels is not None and (not isinstance(channels, int) or channels < 1):
        raise UserError(f'{name}: in_channels must be a positive integer, got {channels!r}')
    return entry


def choose(entry: Entry, key: str, available: Sequence[int], integers: bool = True) -> list[int]:
    """Return the numbers that the entry's ``stages``, ``blocks`` or ``levels`` choose.

    ``None`` and ``'all'`` choose all numbers, ``'last'`` the last one, a sequence of bools the
    numbers where it is true, and integers themselves; negative integers count from the end.

    Raises:
        UserError: The choice is malformed, out of range, or empty.
    """
    choice = getattr(entry, key)
    if choice is None or choice == 'all':
        return list(available)
    if choice == 'last':
        return list(available[-1:])
    if isinstance(choice, int) and not isinstance(choice, bool):
        choice = (choice,)
    if not isinstance(choice, Sequence) or isinstance(choice, str):
        raise _bad_choice(entry, key, available, integers)
    if all(isinstance(item, bool) for item in choice):
        if len(choice) != len(available) or not any(choice):
            raise _bad_choice(entry, key, available, integers)
        return [number for number, chosen in zip(available, choice) if chosen]
    end = available[-1] + 1
    chosen = [item + end if isinstance(item, int) and item < 0 else item for item in choice]
    if not integers or not set(chosen) <= set(available) or any(item is True for item in choice):
        raise _bad_choice(entry, key, available, integers)
    return sorted(set(chosen))


def _bad_choice(entry: Entry, key: str, available: Sequence[int], integers: bool) -> UserError:
    bools = f'one bool for each of the {len(available)}, at least one of them True'
    numbers = f"indices out of {', '.join(map(str, available))}; 'all'; 'last'; or "
    return UserError(
        f'{key} must be {numbers if integers else ""}{bools}; got {getattr(entry, key)!r}'
    )
