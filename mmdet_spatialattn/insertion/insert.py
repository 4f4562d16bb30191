"""``insert_attention`` and ``remove_attention``: the Python door."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from ..errors import UserError
from .attach import Place, attach, attached_to, detach
from .build import build_module
from .entry import Entry, parse_entries
from .placements import find_places
from .report import InsertionReport, Row


def insert_attention(
    model: nn.Module, attention: Iterable[dict], example: Any = None
) -> InsertionReport:
    """Insert attention modules into ``model``, in place.

    The model's class, its parameters and their names stay what they were. Either all entries are
    inserted or, after an error, none.

    Args:
        model: Any module: a backbone, a neck, a whole detector, a torchvision or timm model.
        attention: Entries as in a config; :class:`~.entry.Entry` lists the keys.
        example: Input of the model (a tensor, or a tuple of arguments) for one dry run, where the
            model does not declare the channels of a place.

    Returns:
        What was inserted where; prints as a table.

    Raises:
        UserError: An entry is wrong; the message names it, the value and what is allowed.

    Example:
        >>> from torchvision.models import resnet18
        >>> report = insert_attention(resnet18(), [
        ...     dict(cfg=dict(type='CBAM'), position='after_conv2',
        ...          stages=(False, False, False, True))])
        >>> [row.path for row in report]
        ['layer4.0.bn2.spatialattn', 'layer4.1.bn2.spatialattn']
    """
    plan = [(entry, find_places(model, entry)) for entry in parse_entries(attention)]
    built = [_build(entry, places) for entry, places in plan]
    rows: list[Row] = []
    for (_, places), modules in zip(plan, built):
        for place, module in zip(places, modules):
            target = model.get_submodule(place.path)
            owned = not any(module is row.module for row in rows)
            _match(module, target, model)
            name = attach(target, place, module, owned).name
            rows.append(Row('.'.join(filter(None, (place.path, name))), place, module))
    return InsertionReport(rows)


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
    return len(targets)


def _build(entry: Entry, places: list[Place]) -> list[nn.Module]:
    """Return one module for each place, or the same for all when they share it."""
    channels = [_channels(entry, place) for place in places]
    if not entry.shared:
        return [build_module(entry, one) for one in channels]
    if len(set(channels)) > 1:
        raise UserError(
            f'{entry.name}: shared=True needs maps of equal channels, got {sorted(set(channels))}; '
            f'write one entry for each'
        )
    return [build_module(entry, channels[0])] * len(places)


def _channels(entry: Entry, place: Place) -> int:
    channels = entry.in_channels or place.channels
    if channels is None:
        raise UserError(
            f"{entry.name}: cannot tell the channels at '{place.path}'; give in_channels=... in "
            f'the entry'
        )
    return channels


def _match(module: nn.Module, target: nn.Module, model: nn.Module) -> None:
    """Give the module the target's mode, and the device and dtype of the weights around it."""
    module.train(target.training)
    for weights in (*target.parameters(), *model.parameters()):
        module.to(weights.device, weights.dtype)
        return
