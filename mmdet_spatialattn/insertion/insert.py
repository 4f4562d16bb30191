"""Insertion from Python: ``insert_attention`` and ``remove_attention``."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from ..attention.initial_effect import initial_effect
from ..attention.initialisation import initialise, own_random_stream
from ..errors import UserError
from ..results import Audit
from .attach import Placement, attach, attached_to, detach, unhook
from .audit import audit_model, frozen_by
from .build import build_module
from .dry_run import DryRun, as_args
from .entry import Entry, parse_entries
from .guide import drop_guide, drop_last, hold_guide, take_guide
from .host import inserted_modules, prepare, restore
from .placements import find_placements


def insert_attention(model: nn.Module, attention: Iterable[dict], *, example: Any = None) -> Audit:
    """Insert attention modules into ``model``, in place.

    The class of the model, its parameters and their names stay the same. Either all entries are
    inserted or, after an error, none. Entries with the same placement are applied in the order
    written.

    Args:
        model: Any module: a backbone, a neck, a whole detector, a torchvision or timm model.
        attention: Entries as in a config; :class:`~.entry.Entry` lists the keys.
        example: Input of the model (a tensor, or a tuple of arguments) for dry runs, which give
            the sizes of the maps, and the channels that the model does not declare. Only the sizes
            of the input matter.

    Returns:
        The audit of the attention in ``model``; prints as a table.

    Raises:
        UserError: An entry is wrong; the message names it, the value and what is allowed.

    Warns:
        UserWarning: A setting that is probably a mistake, with the remedy.

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
    """Insert attention modules and return the report, with the warnings in it.

    Args:
        model: See :func:`insert_attention`.
        attention: See :func:`insert_attention`.
        example: See :func:`insert_attention`.
        in_channels: See :class:`~.dry_run.DryRun`.
    """
    dry_run = DryRun(model, example, in_channels)
    entries = parse_entries(attention)
    candidates = [find_placements(model, entry, dry_run) for entry in entries]
    built = [_build(entry, placements) for entry, (placements, _) in zip(entries, candidates)]
    for entry, (placements, _), modules in zip(entries, candidates, built):
        _check_frozen(model, entry, placements, modules)
    owners: set[int] = set()
    for (placements, _), modules in zip(candidates, built):
        for placement, module in zip(placements, modules):
            _attach(model, placement, module, owned=id(module) not in owners)
            owners.add(id(module))
    prepare(model)
    if getattr(model, 'is_init', True):  # otherwise its init_weights() is still to come
        initialise(inserted_modules(model))
    report = audit_model(model, None if example is None else as_args(example))
    warnings = [warning for _, given in candidates for warning in given]
    return replace(report, warnings=(*warnings, *report.warnings))


def remove_attention(model: nn.Module) -> int:
    """Remove all inserted attention from ``model`` and return the number of placements.

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


def _build(entry: Entry, placements: Sequence[Placement]) -> list[nn.Module]:
    """Return one module for each placement, or the same for all when they share it."""
    if not entry.shared:
        return [_build_at(entry, placement) for placement in placements]
    channels = sorted({placement.channels or 0 for placement in placements})
    if len(channels) > 1:
        raise UserError(
            f'{entry.name}: shared=True needs maps of equal channels, got {channels}; write one '
            f'entry for each'
        )
    return [_build_at(entry, placements[0])] * len(placements)


def _build_at(entry: Entry, placement: Placement) -> nn.Module:
    guide_channels = None if placement.guide is None else placement.guide.channels
    with own_random_stream(f'{placement.path} {placement.side} {placement.index} {entry.name}'):
        return build_module(entry, placement.channels or 0, guide_channels)


def _check_frozen(
    model: nn.Module,
    entry: Entry,
    placements: Sequence[Placement],
    modules: Sequence[nn.Module],
) -> None:
    """Refuse a module that would stay at its random initialisation, unless it is the identity."""
    trainable = [
        placement.path
        for placement, module in zip(placements, modules)
        if any(True for _ in module.parameters())
    ]
    frozen = [path for path in trainable if frozen_by(model, path)]
    if not frozen or entry.frozen_ok:
        return
    if initial_effect(modules[0], placements[0].channels or 0).change == 0:
        return
    raise UserError(
        f"{entry.name}: {len(frozen)} of its places ('{frozen[0]}', ...) are frozen by "
        f'{frozen_by(model, frozen[0])}: '
        f'{entry.module} would stay at its random initialisation there; leave those stages out, '
        f'give identity_init=True, or accept it with frozen_ok=True'
    )


def _attach(model: nn.Module, placement: Placement, module: nn.Module, owned: bool) -> None:
    target = model.get_submodule(placement.path)
    _match(module, target, model)
    if placement.guide is None:
        attach(target, placement, module, owned)
        return
    part = model.get_submodule(placement.guide.path)
    attach(target, placement, module, owned, hold_guide(part, placement.guide))
    drop_last(part)


def _match(module: nn.Module, target: nn.Module, model: nn.Module) -> None:
    """Give the module the mode of the target, and device and dtype of the weights around it."""
    module.train(target.training)
    for weights in (*target.parameters(), *model.parameters()):
        module.to(weights.device, weights.dtype)
        return
