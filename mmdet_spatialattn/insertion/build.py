"""Build the attention module of an entry, and the host that ``of`` names, from any registry."""

import inspect
from typing import Any, Optional

from torch import nn

from ..attention.base import GuidedAttention
from ..attention.catalogue import build_attention, find_attention
from ..attention.initial_effect import initial_effect
from ..errors import UserError, did_you_mean
from ..registry import MODELS
from .entry import Entry

HOST = 'mmdet'


def build_module(entry: Entry, channels: int, guide_channels: Optional[int] = None) -> nn.Module:
    """Build the module of an entry for maps of ``channels`` channels.

    Any type works that MMDetection's plugins take: one of this package, of MMCV, or the user's own.

    Raises:
        UserError: No module has this name, its arguments are wrong, or a guided module has no
            guide, or another one has a guide.
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
        if ours:
            return build_attention(kind, channels, **cfg)
        module = cls(in_channels=channels, **cfg)
        initial_effect(module, channels)  # refuses what returns another shape
        return module
    except UserError as error:
        raise UserError(f'{entry.name}: {error}') from error
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        raise UserError(f'{entry.name}: cannot build {entry.cfg}: {error}') from error


def build_host(kind: Any, **kwargs: Any) -> nn.Module:
    """Build a module of type ``kind`` as MMDetection would, in the scope where it is registered.

    Raises:
        UserError: No module has this name.
    """
    cls, scope = _lookup(kind) if isinstance(kind, str) else (kind, None)
    if cls is None:
        with MODELS.switch_scope_and_registry(HOST) as registry:
            nearest = did_you_mean(kind, registry.module_dict)
        raise UserError(f"WithAttention: no module is registered as of='{kind}'{nearest}")
    with MODELS.switch_scope_and_registry(scope) as registry:
        return registry.build(dict(type=kind, **kwargs))


def _attention(kind: Any) -> tuple[Any, bool]:
    """Return the class of an attention module, and whether it belongs to this package."""
    if not isinstance(kind, str):
        return kind, False
    try:
        ours = find_attention(kind)
    except UserError:
        cls, _ = _lookup(kind)
        if cls is None:
            raise
        return cls, False
    other = _registered_by_user(kind)
    if other is not None:
        raise UserError(
            f"two modules are registered as '{kind}': {other.__module__}.{other.__qualname__}, and "
            f"this package's; write '{HOST}.{kind}' (or its own scope) or '{MODELS.scope}.{kind}'"
        )
    return ours, True


def _registered_by_user(name: str) -> Any:
    """Return a class that is registered in the current scope or in MMDetection under a bare name.

    What MMDetection and MMCV register themselves does not count.
    """
    for scope in (None, HOST):
        with MODELS.switch_scope_and_registry(scope) as registry:
            cls = registry.module_dict.get(name)
        if cls is not None and cls.__module__.partition('.')[0] not in (
            MODELS.scope,
            'mmdet',
            'mmcv',
        ):
            return cls
    return None


def _lookup(name: str) -> tuple[Any, Optional[str]]:
    """Return the class that is registered as ``name``, and its scope: the current one or mmdet."""
    for scope in (None, HOST):
        with MODELS.switch_scope_and_registry(scope) as registry:
            cls = registry.get(name)
        if cls is not None:
            return cls, scope
    return None, None
