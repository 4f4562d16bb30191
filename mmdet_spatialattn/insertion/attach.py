"""Attach attention modules to the modules of a model, find them again, and detach them.

An attention module becomes a child of its target under a name that ends in ``spatialattn``, and a
hook of the target calls it. The parameters of the model keep their names. The hook is a
module-level function that looks the attention up on the target that it is called for, so a deep
copy (EMA), a pickle, ``torch.compile`` and ``torch.export`` all use the attention of the copy.
MMDetection's bottlenecks have slots between their convolutions; there the module goes into the
slot, and no hook is needed.
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
"""End of the names of all inserted children. A key of ``paramwise_cfg`` matches a substring, and no
name of another module contains this one."""

SLOTS = ('after_conv1', 'after_conv2', 'after_conv3')
"""The slots of MMDetection's bottlenecks."""

RECORDS = '_spatialattn'
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Placement:
    """Where one attention module sits.

    Attributes:
        path: Path of the target below the built module; empty for that module itself.
        side: ``'after'`` or ``'before'`` the target, or one of SLOTS in a bottleneck that has them.
        position: The name that the user gave: a named position such as ``'after_conv3'``, or a
            pattern.
        index: Index of the map, where several go in or come out, -1 for the last; ``None`` for the
            only map, or for each of them.
        channels: Number of channels of the map, where the host declares it.
        guide: Source of the guide, for guided attention.
        frozen_ok: Whether the user accepts that the module is frozen there.
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
    """The record that a target keeps of an attention module: its name there, and its placement."""

    name: str
    placement: Placement


def attach(
    target: nn.Module,
    placement: Placement,
    module: nn.Module,
    owned: bool = True,
    guide: Optional[Guide] = None,
) -> str:
    """Attach ``module`` to ``target`` at ``placement`` and return its name there.

    A module with several placements is a child of the first target; the other targets only refer to
    it, so that each of its parameters has one name.
    """
    records = target.__dict__.setdefault(RECORDS, [])
    name = _name(records, placement)
    mark_attention(module)
    if owned:
        target.add_module(name, module)
    else:
        target.__dict__[name] = module
    if placement.side in SLOTS:
        _fill_slot(target, placement.side, name)
    else:
        hook_up(target, Attached(name, placement), guide)
    records.append(Attached(name, placement))
    return name


def hook_up(target: nn.Module, attached: Attached, guide: Optional[Guide] = None) -> None:
    """Register the hook of ``target`` that calls an attached module."""
    keywords: dict[str, Any] = dict(name=attached.name, index=attached.placement.index, guide=guide)
    if attached.placement.side == 'before':
        target.register_forward_pre_hook(partial(_attend_to_input, **keywords))
    else:
        target.register_forward_hook(partial(_attend_to_output, **keywords))


def attached_to(model: nn.Module) -> Iterator[tuple[str, nn.Module, Attached]]:
    """Yield path, target and record of every attached module in ``model``, in the model's order."""
    for path, target in model.named_modules():
        for attached in target.__dict__.get(RECORDS, ()):
            yield path, target, attached


def detach(target: nn.Module) -> None:
    """Detach every module that is attached to ``target`` itself."""
    for attached in target.__dict__.pop(RECORDS, ()):
        if attached.name in target._modules:
            delattr(target, attached.name)
        else:
            del target.__dict__[attached.name]
        if attached.placement.side in SLOTS:
            _empty_slot(target, attached.placement.side, attached.name)
    unhook(target, _attend_to_input, _attend_to_output)


def unhook(module: nn.Module, *functions: Any) -> None:
    """Remove the hooks of ``module`` that call one of ``functions``."""
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key, hook in list(hooks.items()):
            if getattr(hook, 'func', None) in functions:
                del hooks[key]
                module._forward_hooks_always_called.pop(key, None)


def run_target(model: nn.Module, path: str, side: str) -> str:
    """Return the path of the module to attach to when the user names the module at ``path``.

    A child that is added to an ``nn.Sequential`` would become a step of it, so attention goes to
    the first or last step instead.

    Raises:
        UserError: The module is a container without a forward pass of its own.
    """
    target = model.get_submodule(path)
    while type(target).forward is nn.Sequential.forward and target._modules:
        name = list(target._modules)[-1 if side == 'after' else 0]
        path = f'{path}.{name}' if path else name
        target = target.get_submodule(name)
    if isinstance(target, CONTAINERS):
        children = ', '.join(list(target._modules)[:8])
        raise UserError(
            f"'{path}' is a {type(target).__name__}, which cannot hold attention; name one of the "
            f'modules inside ({children})'
        )
    return path


def _name(records: list[Attached], placement: Placement) -> str:
    """Return the name of a new child: its place, its number among equal places, and TOKEN."""
    index = {None: '', -1: '_last'}.get(placement.index, str(placement.index))
    if placement.side in SLOTS:
        label = placement.side.replace('after_', '')
    elif placement.side == 'before':
        label = f'input{index}'
    else:
        label = f'output{index}' if index else ''
    key = (placement.side, placement.index)
    same = sum((r.placement.side, r.placement.index) == key for r in records)
    return '_'.join(filter(None, (label, str(same + 1) if same else '', TOKEN)))


def _attend_to_output(target: nn.Module, args: tuple, output: Any, *, name, index, guide) -> Any:
    return _attend(getattr(target, name), output, index, guide)


def _attend_to_input(target: nn.Module, args: tuple, *, name, index, guide) -> tuple:
    if not args:
        raise UserError(
            f'{type(target).__name__} is called with keyword arguments only: attention cannot go '
            f'before it; place it after the module that comes before'
        )
    return (_attend(getattr(target, name), args[0], index, guide), *args[1:])


def _attend(module: nn.Module, maps: Any, index: Optional[int], guide: Optional[Guide]) -> Any:
    """Apply ``module`` to a map, to each of several maps, or to the one at ``index``."""
    guides = () if guide is None else (guide.get(),)
    if isinstance(maps, Tensor):
        return module(maps, *guides)
    items = list(maps.values() if isinstance(maps, dict) else maps)
    for i in range(len(items)) if index is None else (index,):
        items[i] = module(items[i], *guides)
    if isinstance(maps, dict):
        return type(maps)(zip(maps, items))
    return type(maps)(*items) if hasattr(maps, '_fields') else type(maps)(items)


def _fill_slot(block: Any, slot: str, name: str) -> None:
    if not block.with_plugins:
        block.with_plugins = True
        for other in SLOTS:
            setattr(block, f'{other}_plugin_names', [])
    getattr(block, f'{slot}_plugin_names').append(name)


def _empty_slot(block: Any, slot: str, name: str) -> None:
    getattr(block, f'{slot}_plugin_names').remove(name)
    if block.plugins is None and not any(
        getattr(block, f'{other}_plugin_names') for other in SLOTS
    ):
        block.with_plugins = False
        for other in SLOTS:
            delattr(block, f'{other}_plugin_names')
