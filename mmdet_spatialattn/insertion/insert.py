"""``insert_attention`` and ``remove_attention``: the Python door."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from ..attention.initialisation import initialise, own_random_stream
from ..errors import UserError
from ..results import Audit
from .attach import Place, attach, attached_to, detach, unhook
from .audit import audit_model, frozen_by, measure_init
from .build import build_module
from .dry_run import DryRun, as_args
from .entry import Entry, parse_entries
from .guide import drop_guide, drop_last, hold_guide, take_guide
from .host import inserted_modules, prepare, restore
from .placements import find_places


def insert_attention(model: nn.Module, attention: Iterable[dict], *, example: Any = None) -> Audit:
    """Insert attention modules into ``model``, in place.

    The model's class, its parameters and their names stay what they were. Either all entries are
    inserted or, after an error, none. Entries at one place stack in the order written.

    Args:
        model: Any module: a backbone, a neck, a whole detector, a torchvision or timm model.
        attention: Entries as in a config; :class:`~.entry.Entry` lists the keys.
        example: Input of the model (a tensor, or a tuple of arguments) for dry runs, which tell
            the channels that the model does not declare, and the sizes of the maps. Only its
            sizes matter.

    Returns:
        The audit of the attention in ``model``; prints as a table.

    Raises:
        UserError: An entry is wrong; the message names it, the value and what is allowed.

    Warns:
        UserWarning: What is likely not meant, with the remedy.

    Example:
        >>> from torchvision.models import resnet18
        >>> report = insert_attention(resnet18(), [
        ...     dict(cfg=dict(type='CBAM', norm_cfg=None), position='after_conv2',
        ...          stages=(False, False, False, True))])
        >>> [row.path for row in report]
        ['layer4.0.bn2.spatialattn', 'layer4.1.bn2.spatialattn']
    """
    report = insert(model, attention, example)
    for warning in report.warnings:
        warnings.warn(warning, stacklevel=2)
    return report


def insert(
    model: nn.Module, attention: Iterable[dict], example: Any = None, in_channels: Any = None
) -> Audit:
    """Insert, and leave the warnings in the report; ``in_channels`` as in :class:`DryRun`."""
    dry_run = DryRun(model, example, in_channels)
    entries = parse_entries(attention)
    found = [find_places(model, entry, dry_run) for entry in entries]
    built = [_build(entry, one.places) for entry, one in zip(entries, found)]
    for entry, one, modules in zip(entries, found, built):
        _check_frozen(model, entry, one.places, modules)
    owners: set[int] = set()
    for one, modules in zip(found, built):
        for place, module in zip(one.places, modules):
            _attach(model, place, module, owned=id(module) not in owners)
            owners.add(id(module))
    prepare(model)
    if getattr(model, 'is_init', True):  # otherwise its init_weights() is still to come
        initialise(inserted_modules(model))
    report = audit_model(model, None if example is None else as_args(example))
    return replace(report, warnings=(*(w for one in found for w in one.warnings), *report.warnings))


def remove_attention(model: nn.Module) -> int:
    """Take off everything that was inserted below ``model``; return the number of places.

    Example:
        >>> from torchvision.models import resnet18
        >>> model = resnet18()
        >>> _ = insert_attention(model, [dict(cfg=dict(type='SE'), position='stem')])
        >>> remove_attention(model)
        1
    """
    targets = [target for _, target, _ in attached_to(model)]
    for target in dict.fromkeys(targets):
        detach(target)
    for part in model.modules():
        unhook(part, take_guide, drop_guide)
        restore(part)
    return len(targets)


def _build(entry: Entry, places: list[Place]) -> list[nn.Module]:
    """Return one module for each place, or the same for all when they share it."""
    if not entry.shared:
        return [_build_at(entry, place) for place in places]
    channels = sorted({place.channels or 0 for place in places})
    if len(channels) > 1:
        raise UserError(
            f'{entry.name}: shared=True needs maps of equal channels, got {channels}; write one '
            f'entry for each'
        )
    return [_build_at(entry, places[0])] * len(places)


def _build_at(entry: Entry, place: Place) -> nn.Module:
    guide = None if place.guide is None else place.guide.channels
    with own_random_stream(f'{place.path} {place.side} {place.index} {entry.name}'):
        return build_module(entry, place.channels or 0, guide)


def _check_frozen(
    model: nn.Module, entry: Entry, places: Sequence[Place], modules: Sequence[nn.Module]
) -> None:
    """Refuse what would stay at its random initialisation, unless it is the identity there."""
    frozen = [
        (place, by)
        for place, module in zip(places, modules)
        if any(True for _ in module.parameters()) and (by := frozen_by(model, place.path))
    ]
    if not frozen or entry.frozen_ok or measure_init(modules[0], places[0].channels or 0)[1] == 0:
        return
    place, by = frozen[0]
    raise UserError(
        f"{entry.name}: {len(frozen)} of its places ('{place.path}', ...) are frozen by {by}: "
        f'{entry.module} would stay at its random initialisation there; leave those stages out, '
        f'give identity_init=True, or accept it with frozen_ok=True'
    )


def _attach(model: nn.Module, place: Place, module: nn.Module, owned: bool) -> None:
    target = model.get_submodule(place.path)
    _match(module, target, model)
    if place.guide is None:
        attach(target, place, module, owned)
        return
    part = model.get_submodule(place.guide.path)
    attach(target, place, module, owned, hold_guide(part, place.guide))
    drop_last(part)


def _match(module: nn.Module, target: nn.Module, model: nn.Module) -> None:
    """Give the module the target's mode, and the device and dtype of the weights around it."""
    module.train(target.training)
    for weights in (*target.parameters(), *model.parameters()):
        module.to(weights.device, weights.dtype)
        return
