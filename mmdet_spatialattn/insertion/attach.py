"""The engine: attach an attention module to a target, find what was attached, take it off.

The module becomes a child of its target, named ``...spatialattn``, and a hook of the target calls
it. Existing parameters keep their names, and because the hook is a module-level function that looks
the attention up on the target it is called for, a deep copy (EMA), a pickle, ``torch.compile`` and
``torch.export`` all see the copy's own attention. MMDetection's bottlenecks have slots of their own
between the convolutions; there the module goes into the slot and no hook is needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Optional

from torch import Tensor, nn

from ..attention.initialisation import mark_attention
from ..errors import UserError
from .guide import Guide, GuideSource

TOKEN = 'spatialattn'
"""The names of all inserted children end with it: no other module's name does, and a key of
``paramwise_cfg`` matches a substring."""

RECORDS = '_spatialattn'
SLOTS = ('after_conv1', 'after_conv2', 'after_conv3')
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Place:
    """Where one attention module sits.

    Attributes:
        path: The target's path below the built module; empty for itself.
        side: ``'after'``, ``'before'``, or one of SLOTS in a bottleneck that has them.
        position: How the user named it: ``'after_conv3'``, or the pattern.
        index: Of several maps that go in or come out, which; ``None`` for the one or for each.
        channels: Channels of the map, where the host declares them.
        guide: What guides the attention there.
        frozen_ok: Whether the user accepts that it is frozen there.
    """

    path: str
    side: str
    position: str
    index: Optional[int] = None
    channels: Optional[int] = None
    guide: Optional[GuideSource] = None
    frozen_ok: bool = False


@dataclass(frozen=True)
class Attached:
    """What the target remembers of an attention module: its name there, and the place."""

    name: str
    place: Place


def attach(
    target: nn.Module,
    place: Place,
    module: nn.Module,
    owned: bool = True,
    guide: Optional[Guide] = None,
) -> str:
    """Let ``module`` attend at ``place`` of ``target``; return its name there.

    A module at several places is owned by the first and only referred to by the others, so that its
    parameters have one name.
    """
    records = target.__dict__.setdefault(RECORDS, [])
    name = _name(records, place)
    mark_attention(module)
    if owned:
        target.add_module(name, module)
    else:
        target.__dict__[name] = module
    if place.side in SLOTS:
        _fill_slot(target, place.side, name)
    else:
        hook_up(target, Attached(name, place), guide)
    records.append(Attached(name, place))
    return name


def hook_up(target: nn.Module, attached: Attached, guide: Optional[Guide] = None) -> None:
    """Register the hook that calls what is attached."""
    what: dict[str, Any] = dict(name=attached.name, index=attached.place.index, guide=guide)
    if attached.place.side == 'before':
        target.register_forward_pre_hook(partial(_attend_to_input, **what))
    else:
        target.register_forward_hook(partial(_attend_to_output, **what))


def attached_to(model: nn.Module) -> Iterator[tuple[str, nn.Module, Attached]]:
    """Yield path, target and record of everything attached below ``model``, in its order."""
    for path, target in model.named_modules():
        for attached in target.__dict__.get(RECORDS, ()):
            yield path, target, attached


def detach(target: nn.Module) -> None:
    """Take off everything that is attached to ``target`` itself."""
    for attached in target.__dict__.pop(RECORDS, ()):
        if attached.name in target._modules:
            delattr(target, attached.name)
        else:
            del target.__dict__[attached.name]
        if attached.place.side in SLOTS:
            _empty_slot(target, attached.place.side, attached.name)
    unhook(target, _attend_to_input, _attend_to_output)


def unhook(module: nn.Module, *functions: Any) -> None:
    """Remove the hooks of ``module`` that call one of ``functions``."""
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key, hook in list(hooks.items()):
            if getattr(hook, 'func', None) in functions:
                del hooks[key]
                module._forward_hooks_always_called.pop(key, None)


def run_target(model: nn.Module, path: str, side: str) -> str:
    """Return the path of the module to attach to: inside a Sequential, its last or first child.

    A child added to a container would become a step of it.

    Raises:
        UserError: The module is a container that nothing calls or that treats all children alike.
    """
    target = model.get_submodule(path)
    while type(target).forward is nn.Sequential.forward and target._modules:
        name = list(target._modules)[-1 if side == 'after' else 0]
        path = f'{path}.{name}' if path else name
        target = target.get_submodule(name)
    if isinstance(target, CONTAINERS):
        inside = ', '.join(list(target._modules)[:8])
        raise UserError(
            f"'{path}' is a {type(target).__name__}, which cannot hold attention; name one of the "
            f'modules inside ({inside})'
        )
    return path


def _name(records: list[Attached], place: Place) -> str:
    number = '' if place.index is None else str(place.index)
    if place.side in SLOTS:
        where = place.side.replace('after_', '')
    else:
        where = f'input{number}' if place.side == 'before' else f'output{number}' * bool(number)
    same = sum((a.place.side, a.place.index) == (place.side, place.index) for a in records)
    return '_'.join(filter(None, (where, str(same + 1) if same else '', TOKEN)))


def _attend_to_output(target: nn.Module, args: tuple, output: Any, *, name, index, guide) -> Any:
    return _attend(getattr(target, name), output, index, guide)


def _attend_to_input(target: nn.Module, args: tuple, *, name, index, guide) -> tuple:
    if not args:
        raise UserError(
            f'{type(target).__name__} is called with keyword arguments only: attention cannot go '
            f'before it; place it after what comes before'
        )
    return (_attend(getattr(target, name), args[0], index, guide), *args[1:])


def _attend(module: nn.Module, maps: Any, index: Optional[int], guide: Optional[Guide]) -> Any:
    """Apply ``module`` to a map, to each of several, or to the one at ``index``."""
    directed = () if guide is None else (guide.get(),)
    if isinstance(maps, Tensor):
        return module(maps, *directed)
    items = list(maps.values() if isinstance(maps, dict) else maps)
    for i in range(len(items)) if index is None else (index,):
        items[i] = module(items[i], *directed)
    if isinstance(maps, dict):
        return type(maps)(zip(maps, items))
    return type(maps)(*items) if hasattr(maps, '_fields') else type(maps)(items)


def _fill_slot(block: Any, slot: str, name: str) -> None:
    if not block.with_plugins:
        block.with_plugins = True
        for one in SLOTS:
            setattr(block, f'{one}_plugin_names', [])
    getattr(block, f'{slot}_plugin_names').append(name)


def _empty_slot(block: Any, slot: str, name: str) -> None:
    getattr(block, f'{slot}_plugin_names').remove(name)
    if block.plugins is None and not any(getattr(block, f'{one}_plugin_names') for one in SLOTS):
        block.with_plugins = False
        for one in SLOTS:
            delattr(block, f'{one}_plugin_names')
