"""The catalogue of attention modules, and building a module by its name."""

import contextlib
import inspect
import json
import re
import sys
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import UserError, did_you_mean
from ..registry import MODELS
from ..results.initial_effect import InitialEffect
from .base import GuidedAttention, SpatialAttention
from .initial_effect import initial_effect
from .initialisation import own_random_stream

FAMILIES = ('channel', 'spatial', 'channel+spatial', 'global', 'guided', 'control')
WIDTHS = (64, 128, 256, 512, 1024, 2048)
"""Numbers of channels for which tables count parameters: those of ResNets and pyramids."""


@dataclass(frozen=True)
class AttentionRecord:
    """One attention module of the catalogue, with its default arguments.

    Attributes:
        name: Registry name.
        family: 'channel', 'spatial', 'channel+spatial', 'global', 'guided' or 'control'.
        paper: Reference, from the header of the module's file.
        year: Year of the paper; 0 if there is none.
        cost: How time and memory grow with the map.
        guided: Whether the module takes a second map, the guide.
        maps: Names of the maps that the module publishes.
        cls: Class of the module.
    """

    name: str
    family: str
    paper: str
    year: int
    cost: str
    guided: bool
    maps: tuple[str, ...]
    cls: type[SpatialAttention]

    def parameters(self, in_channels: int = 256) -> int:
        """Return the number of parameters of the module for ``in_channels`` channels.

        Raises:
            UserError: The module does not fit so many channels.

        Example:
            >>> {record.name: record for record in list_attention()}['SE'].parameters(256)
            8464
        """
        with torch.device('meta'):  # only counted: no memory, no random numbers
            module = build_attention(self.name, in_channels)
        return sum(parameter.numel() for parameter in module.parameters())

    def counts(self) -> dict[int, int]:
        """Return the number of parameters for each of :data:`WIDTHS` that the module fits."""
        counts = {}
        for width in WIDTHS:
            with contextlib.suppress(UserError):
                counts[width] = self.parameters(width)
        return counts

    def initial_effect(self, in_channels: int = 256) -> InitialEffect:
        """Return the effect of a new module on random features; prints as ``x 0.50``, say."""
        with own_random_stream(self.name, seed=0):
            module = build_attention(self.name, in_channels)
        return initial_effect(module, in_channels)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the module, without ``in_channels``, and their defaults."""
        return {
            name: parameter.default
            for cls in (SpatialAttention, self.cls)
            for name, parameter in inspect.signature(cls).parameters.items()
            if name != 'in_channels' and parameter.kind != parameter.VAR_KEYWORD
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data for JSON, with what was counted and measured."""
        return dict(
            name=self.name,
            family=self.family,
            paper=self.paper,
            year=self.year,
            parameters={str(width): count for width, count in self.counts().items()},
            initial_effect=str(self.initial_effect()),
            cost=self.cost,
            guided=self.guided,
            maps=list(self.maps),
            arguments=self.arguments(),
            doc=inspect.getdoc(self.cls) or '',
        )


def list_attention() -> list[AttentionRecord]:
    """Return a record of every registered attention module, by family and name."""
    order = {family: index for index, family in enumerate(FAMILIES)}
    records = [_record(cls) for cls in _classes().values()]
    return sorted(records, key=lambda r: (order.get(r.family, len(order)), r.name.lower()))


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
    known = list(_record(cls).arguments())
    for key in kwargs:
        if key not in known:
            nearest = did_you_mean(key, known)
            raise UserError(
                f"{cls.__name__} has no argument '{key}'{nearest} (known: {', '.join(known)})"
            )
    try:
        return cls(in_channels, **kwargs)
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise UserError(f'{cls.__name__}({in_channels}): {error}') from error


def find_attention(name: str) -> type[SpatialAttention]:
    """Return the class called ``name``: with our scope, with its module, or bare.

    Raises:
        UserError: No module has this name; the message gives the nearest one.
    """
    classes = _classes()
    name = str(name)
    short = name.rpartition('.')[2] if name.startswith(f'{MODELS.scope}.') else name
    if short not in classes:
        nearest = did_you_mean(short, classes)
        raise UserError(f"unknown attention '{name}'{nearest} (spatialattn list shows all)")
    return classes[short]


def to_json() -> str:
    """Return all records as JSON: ``catalogue.json``, which ``spatialattn list`` reads."""
    return json.dumps([record.to_dict() for record in list_attention()], indent=1)


def attention_table() -> str:
    """Return the table of all modules for the documentation."""
    lines = ['| module | family | parameters at 256 channels | at the start | cost |']
    lines.append('|---|---|---:|---|---|')
    for record in list_attention():
        year = f' ({record.year})' if record.year else ''
        lines.append(
            f'| `{record.name}`{year} | {record.family} | {record.parameters():,} '
            f'| {record.initial_effect()} | {record.cost} |'
        )
    return '\n'.join(lines)


def _classes() -> dict[str, type[SpatialAttention]]:
    MODELS.import_from_location()
    registered = MODELS.module_dict.items()
    return {n: c for n, c in registered if inspect.isclass(c) and issubclass(c, SpatialAttention)}


def _record(cls: type[SpatialAttention]) -> AttentionRecord:
    doc = sys.modules[cls.__module__].__doc__ or ''
    header = re.search(r'^Paper: +(.*(?:\n {9}.*)*)', doc, re.MULTILINE)
    paper = ' '.join(header.group(1).split()) if header else ''
    cited = '' if paper.startswith('none') else paper.split('http')[0]
    year = re.search(r'\b(?:19|20)\d\d\b', cited)
    return AttentionRecord(
        name=cls.__name__,
        family=cls.family,
        paper=paper,
        year=int(year.group()) if year else 0,
        cost=cls.cost,
        guided=issubclass(cls, GuidedAttention),
        maps=cls.maps,
        cls=cls,
    )
