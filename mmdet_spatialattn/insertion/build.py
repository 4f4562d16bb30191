"""Build what an entry names and what ``of`` names, wherever it is registered."""

import inspect
from typing import Any, Optional

from torch import nn

from ..attention.base import GuidedAttention
from ..attention.catalogue import build_attention, find_attention
from ..errors import UserError, did_you_mean
from ..registry import MODELS
from .entry import Entry

HOST = 'mmdet'


def build_module(entry: Entry, channels: int, guide_channels: Optional[int] = None) -> nn.Module:
    """Build the module of an entry for maps of ``channels`` channels.

    Any type that MMDetection's plugins take works: ours, MMCV's, the user's own.

    Raises:
        UserError: Nothing has this name, its arguments are wrong, or it is guided and the entry
            gives no guide, or the other way round.
    """
    cfg = dict(entry.cfg)
    kind = cfg.pop('type')
    try:
        cls, ours = _attention(kind)
        guided = inspect.isclass(cls) and issubclass(cls, GuidedAttention)
        if guided and guide_channels is None:
            raise UserError(f"{kind} needs guide='top', 'global' or a level of the neck's input")
        if guide_channels is not None and not guided:
            raise UserError(f'{kind} takes no guide; leave guide={entry.guide!r} out')
        if guided:
            cfg.setdefault('guide_channels', guide_channels)
        return build_attention(kind, channels, **cfg) if ours else cls(in_channels=channels, **cfg)
    except UserError as error:
        raise UserError(f'{entry.name}: {error}') from error
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        raise UserError(f'{entry.name}: cannot build {entry.cfg}: {error}') from error


def build_host(of: Any, **kwargs: Any) -> nn.Module:
    """Build the module of type ``of`` as MMDetection would, in whatever scope it is registered.

    Raises:
        UserError: No module has this name.
    """
    cls, scope = _lookup(of) if isinstance(of, str) else (of, None)
    if cls is None:
        with MODELS.switch_scope_and_registry(HOST) as registry:
            nearest = did_you_mean(of, registry.module_dict)
        raise UserError(f"WithAttention: no module is registered as of='{of}'{nearest}")
    with MODELS.switch_scope_and_registry(scope) as registry:
        return registry.build(dict(type=of, **kwargs))


def _attention(kind: Any) -> tuple[Any, bool]:
    """Return the class of an attention module, and whether it is in our catalogue."""
    if not isinstance(kind, str):
        return kind, False
    try:
        return find_attention(kind), True
    except UserError:
        cls, _ = _lookup(kind)
        if cls is None:
            raise
        return cls, False


def _lookup(name: str) -> tuple[Any, Optional[str]]:
    """Return what is registered as ``name``, and the scope: the current one, else mmdet's."""
    for scope in (None, HOST):
        with MODELS.switch_scope_and_registry(scope) as registry:
            found = registry.get(name)
        if found is not None:
            return found, scope
    return None, None
