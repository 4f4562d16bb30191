"""The attention modules in a model: inserted ones, and those that the host has by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..attention.base import SpatialAttention
from .attach import attached_to


@dataclass
class Site:
    """One attention module in a model.

    Attributes:
        module: The module.
        position: Name of its placement; ``'plugin'`` for one that was not inserted.
        channels: Channels of its maps.
        frozen_ok: Whether the user accepts that it is frozen.
        placements: Number of placements that share it.
    """

    module: Any
    position: str
    channels: int
    frozen_ok: bool = False
    placements: int = 1


def attention_sites(model: nn.Module) -> dict[str, Site]:
    """Return every attention module in ``model`` by its path, in the model's order.

    Attention inside an attention module belongs to that module.
    """
    inserted: dict[int, Site] = {}
    for _, target, attached in attached_to(model):
        module, placement = getattr(target, attached.name), attached.place
        if id(module) in inserted:
            inserted[id(module)].placements += 1
        else:
            channels = placement.channels or module.in_channels
            site = Site(module, placement.position, channels, placement.frozen_ok)
            inserted[id(module)] = site
    return dict(_outermost(model, inserted))


def _outermost(model: nn.Module, inserted: dict[int, Site]) -> Iterator[tuple[str, Site]]:
    inside = None
    for path, module in model.named_modules():
        if inside is not None and path.startswith(inside):
            continue
        if id(module) in inserted:
            yield path, inserted[id(module)]
        elif isinstance(module, SpatialAttention):
            yield path, Site(module, 'plugin', module.in_channels)
        else:
            continue
        inside = f'{path}.'
