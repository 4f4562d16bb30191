"""The list of attention modules, and building one by its name."""

import inspect
import re
import sys
from dataclasses import dataclass

from ..errors import UserError, did_you_mean
from ..registry import MODELS
from .base import SpatialAttention


@dataclass(frozen=True)
class AttentionRecord:
    """What is known of one attention module.

    Attributes:
        name: Registry name.
        family: 'channel', 'spatial', 'channel+spatial', 'global', 'guided' or 'control'.
        paper: Reference, as the header of the module's file gives it.
        year: Year of the paper; 0 when there is none.
        cost: How time and memory grow with the map.
        maps: Names of the maps it publishes.
        cls: The class.
    """

    name: str
    family: str
    paper: str
    year: int
    cost: str
    maps: tuple[str, ...]
    cls: type[SpatialAttention]


def list_attention() -> list[AttentionRecord]:
    """Return a record of every registered attention module, by family and name."""
    records = [_record(cls) for cls in _classes().values()]
    return sorted(records, key=lambda record: (record.family, record.name))


def build_attention(name: str, in_channels: int, **kwargs) -> SpatialAttention:
    """Build the attention module called ``name`` for features of ``in_channels`` channels.

    Raises:
        UserError: No module has this name, it has no such argument, or an argument has a wrong
        value.

    Example:
        >>> type(build_attention('CBAM', 64, reduction=8)).__name__
        'CBAM'
    """
    cls = find_attention(name)
    known = [name for name in _arguments(cls) if name != 'in_channels']
    for key in kwargs:
        if key not in known:
            nearest = did_you_mean(key, known)
            raise UserError(
                f"{cls.__name__} has no argument '{key}'{nearest} (known: {', '.join(known)})"
            )
    try:
        return cls(in_channels, **kwargs)
    except UserError:
        raise
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise UserError(f'{cls.__name__}({in_channels}): {error}') from error


def find_attention(name: str) -> type[SpatialAttention]:
    """Return the class called ``name``, with or without our scope.

    Raises:
        UserError: No module has this name; the message gives the nearest one.
    """
    classes = _classes()
    short = str(name).replace(f'{MODELS.scope}.', '', 1)
    if short not in classes:
        nearest = did_you_mean(short, classes)
        raise UserError(f"unknown attention '{name}'{nearest} (spatialattn list shows all)")
    return classes[short]


def _classes() -> dict[str, type[SpatialAttention]]:
    MODELS.import_from_location()
    registered = MODELS.module_dict.items()
    return {n: c for n, c in registered if inspect.isclass(c) and issubclass(c, SpatialAttention)}


def _arguments(cls: type) -> list[str]:
    own = [p.name for p in inspect.signature(cls).parameters.values() if p.kind != p.VAR_KEYWORD]
    return own + [
        name for name in inspect.signature(SpatialAttention).parameters if name not in own
    ]


def _record(cls: type[SpatialAttention]) -> AttentionRecord:
    doc = sys.modules[cls.__module__].__doc__ or ''
    header = re.search(r'^Paper: +(.*(?:\n {9}.*)*)', doc, re.MULTILINE)
    paper = ' '.join(header.group(1).split()) if header else ''
    year = re.search(r'\b(?:19|20)\d\d\b', paper.split('http')[0])
    return AttentionRecord(
        name=cls.__name__,
        family=cls.family,
        paper=paper,
        year=int(year.group()) if year else 0,
        cost=cls.cost,
        maps=cls.maps,
        cls=cls,
    )
