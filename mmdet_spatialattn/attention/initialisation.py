"""Attention initialises itself: whatever a host does to the modules below it passes it by.

A host's ``init_weights`` writes to everything below the host: to all layers of a kind, to all
parameters of a child that an ``override`` names (MMDetection zeroes the last norm of each residual
branch, and with it what was inserted there), or in loops of its own, before and after its children
have initialised themselves. It also draws random numbers for each layer that it meets.

Therefore a module without parameters stands in for every attention module below the host while the
outermost ``init_weights`` runs. No initialiser meets the attention, and the host draws the random
numbers that it draws without attention; a checkpoint that the host loads meanwhile is passed on.
Afterwards, attention that was neither loaded nor initialised before initialises itself.

An inner ``init_weights`` cannot know what the outer ones will still do, so every class of
MMEngine's modules is guarded, with each class of the modules that attention is inserted below. The
guard is a wrapper of the class's method: models carry no state for it, and so copies need none.
"""

import contextlib
import functools
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule, PretrainedInit
from torch import nn

IS_ATTENTION = '_is_attention'
_init_weights = BaseModule.init_weights


class StandIn(nn.Module):
    """Takes the place of an attention module while its host is initialised.

    Only checkpoints get through to the attention.
    """

    attention: nn.Module

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.__dict__['attention'] = attention  # no child: hidden from every walk over the host

    def _load_from_state_dict(  # type: ignore[override]
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        start = len(prefix)
        weights = {k[start:]: value for k, value in state_dict.items() if k.startswith(prefix)}
        try:
            result = self.attention.load_state_dict(weights, strict=False)
        except RuntimeError as error:
            error_msgs.append(str(error))
        else:
            missing_keys += [prefix + key for key in result.missing_keys]
            unexpected_keys += [prefix + key for key in result.unexpected_keys]


def behind(module: Any) -> Any:
    """Return the attention module behind a stand-in, any other module as it is."""
    return module.attention if isinstance(module, StandIn) else module


def mark_attention(module: nn.Module) -> None:
    """Let any module initialise itself, as :class:`~.base.SpatialAttention` does."""
    if not is_attention(module):
        setattr(module, IS_ATTENTION, True)
        module.register_load_state_dict_pre_hook(note_load)


def is_attention(module: nn.Module) -> bool:
    """Return whether a module initialises itself."""
    return IS_ATTENTION in module.__dict__ or hasattr(type(module), IS_ATTENTION)


def guard(host: type) -> None:
    """Let ``init_weights`` of all modules of a class pass the attention below them by."""
    for cls in host.__mro__:
        method = cls.__dict__.get('init_weights')
        if method is not None and not hasattr(method, 'passes_attention_by'):
            cls.init_weights = _passing_by(method)  # type: ignore[attr-defined]


def _passing_by(method: Callable) -> Callable:
    @functools.wraps(method)
    def init_weights(host: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with hidden_attention(host) as modules:
            result = method(host, *args, **kwargs)
        initialise(modules)
        return result

    init_weights.passes_attention_by = True  # type: ignore[attr-defined]
    return init_weights


@contextlib.contextmanager
def hidden_attention(host: nn.Module) -> Iterator[dict[str, nn.Module]]:
    """Put stand-ins in place of the attention below ``host`` within the block; give it by path."""
    places = list(_attention_below(host))
    for place in places:
        place.parent._modules[place.name] = StandIn(place.module)
    try:
        yield {place.path: place.module for place in places}
    finally:
        for place in places:
            place.parent._modules[place.name] = place.module


def initialise(modules: Mapping[str, Any]) -> None:
    """Let attention modules initialise themselves that were neither initialised nor loaded yet.

    Args:
        modules: The modules by path, under which MMEngine's log file lists their parameters.
    """
    new = {path: m for path, m in modules.items() if not getattr(m, 'is_init', False)}
    if not new:
        return
    holder = BaseModule()
    holder._modules.update(new)
    for module in new.values():
        if hasattr(module, '_params_init_info'):  # of an attention module around these
            holder._params_init_info = module._params_init_info
    with own_random_stream('init_weights'), _warnings_only():
        _init_weights(holder)
    for module in new.values():
        module.is_init = True


@contextlib.contextmanager
def _warnings_only() -> Iterator[None]:
    """Keep MMEngine's list of parameters off the console."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)


def loads_pretrained(module: Any) -> bool:
    """Return whether a module's own ``init_cfg`` loads a checkpoint."""
    cfgs = getattr(module, 'init_cfg', None) or []
    cfgs = [cfgs] if isinstance(cfgs, dict) else cfgs
    return any(cfg.get('type') in ('Pretrained', PretrainedInit) for cfg in cfgs)


def note_load(module: Any, state_dict: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Before loading: remember that ``module`` is initialised if a checkpoint has weights for it.

    The module's own parameters do not count: insertion adds them to a checkpoint without attention.
    """
    for key, parameter in module.state_dict(keep_vars=True).items():
        if state_dict.get(prefix + key, parameter) is not parameter:
            module.is_init = True


@contextlib.contextmanager
def own_random_stream(name: str) -> Iterator[None]:
    """Draw random numbers from a stream of its own within the block.

    Its seed comes from ``name`` and the state of the default stream, which stays as it is: what is
    built or initialised here shifts nothing that comes after, and a seed for the program still
    decides everything.

    Example:
        >>> def draw(names):
        ...     torch.manual_seed(0)
        ...     for name in names:
        ...         with own_random_stream(name):
        ...             _ = torch.rand(3)
        ...     return torch.rand(1)
        >>> draw([]) == draw(['layer1', 'layer2'])
        tensor([True])
    """
    generators = [torch.default_generator]
    device = torch.empty(0).device
    if device.type == 'cuda':
        generators.append(torch.cuda.default_generators[device.index])
    states = [generator.get_state() for generator in generators]
    for generator, state in zip(generators, states):
        generator.manual_seed(zlib.crc32(name.encode(), zlib.crc32(state.numpy().tobytes())))
    try:
        yield
    finally:
        for generator, state in zip(generators, states):
            generator.set_state(state)


class _Place(NamedTuple):
    parent: nn.Module
    name: str
    path: str
    module: nn.Module


def _attention_below(host: nn.Module, prefix: str = '') -> Iterator[_Place]:
    """Yield the outermost attention modules below ``host``."""
    for name, child in host._modules.items():
        if child is None:
            continue
        if is_attention(child):
            yield _Place(host, name, prefix + name, child)
        else:
            yield from _attention_below(child, f'{prefix}{name}.')


def _guard_all(cls: type) -> None:
    guard(cls)
    subclass: type
    for subclass in cls.__subclasses__():
        _guard_all(subclass)


def _guard_new(cls: type, **kwargs: Any) -> None:
    super(BaseModule, cls).__init_subclass__(**kwargs)
    guard(cls)


_guard_all(BaseModule)
BaseModule.__init_subclass__ = classmethod(_guard_new)  # type: ignore[assignment,arg-type]
