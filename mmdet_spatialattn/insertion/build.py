"""Build what an entry names and what ``of`` names, wherever it is registered."""

from typing import Any

from torch import nn

from ..attention.catalogue import build_attention, find_attention
from ..errors import UserError, did_you_mean
from ..registry import MODELS
from .entry import Entry

HOST = 'mmdet'


def build_module(entry: Entry, channels: int, **guide: int) -> nn.Module:
    """Build the module of an entry for maps of ``channels`` channels.

    Any type that MMDetection's plugins take works: ours, MMCV's, the user's own.

    Raises:
        UserError: Nothing has this name, or its arguments are wrong.
    """
    cfg = dict(entry.cfg)
    kind = cfg.pop('type')
    try:
        cls: Any = kind
        if isinstance(kind, str):
            try:
                name = find_attention(kind).__name__
            except UserError:
                cls, _ = _lookup(kind)
                if cls is None:
                    raise
            else:
                return build_attention(name, channels, **guide, **cfg)
        return cls(in_channels=channels, **guide, **cfg)
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


def _lookup(name: str) -> tuple[Any, Any]:
    """Return what is registered as ``name``, and the scope: the current one, else mmdet's."""
    for scope in (None, HOST):
        with MODELS.switch_scope_and_registry(scope) as registry:
            found = registry.get(name)
        if found is not None:
            return found, scope
    return None, None
