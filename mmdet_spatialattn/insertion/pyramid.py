"""Named placements in a feature pyramid, recognised by the names of its convolutions.

Levels are counted as in the neck's output: level 0 is the largest map it gives.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from torch import nn

from ..errors import UserError
from .attach import Place
from .entry import Entry, choose

POSITIONS = ('input', 'lateral', 'merge', 'output')


@dataclass(frozen=True)
class Pyramid:
    """What a neck declares.

    Attributes:
        inputs: Channels of each map that goes in; ``None`` when it does not say.
        outputs: Channels of each map that comes out.
        lateral: Path of the module that first reads a level, by level.
        merge: Path of a level's output convolution, whose input is the merged map.
    """

    inputs: Optional[list[int]]
    outputs: list[int]
    lateral: dict[int, str]
    merge: dict[int, str]

    @property
    def positions(self) -> tuple[str, ...]:
        known = dict(input=self.inputs, lateral=self.lateral, merge=self.merge, output=True)
        return tuple(position for position in POSITIONS if known[position])


def read_pyramid(model: Any) -> Optional[Pyramid]:
    """Return what a neck declares; ``None`` when ``model`` is none that is known."""
    laterals = _list(model, 'lateral_convs')
    if laterals and hasattr(model, 'num_outs'):
        return Pyramid(
            inputs=list(model.in_channels),
            outputs=[model.out_channels] * model.num_outs,
            lateral=_paths('lateral_convs', laterals),
            merge=_paths('fpn_convs', _list(model, 'fpn_convs')[: len(laterals)]),
        )
    return None


def places(model: nn.Module, pyramid: Pyramid, entry: Entry) -> Iterator[Place]:
    """Yield the places of an entry whose position is one of POSITIONS.

    Raises:
        UserError: The neck has no such place, or the entry chooses no level that exists.
    """
    position = str(entry.position)
    if position not in pyramid.positions:
        raise UserError(
            f"{entry.name}: a {type(model).__name__} has no position '{position}'; "
            f'it has {", ".join(pyramid.positions)}'
        )
    if position in ('input', 'output'):
        side = 'before' if position == 'input' else 'after'
        channels = (pyramid.inputs or []) if position == 'input' else pyramid.outputs
        for level in choose(entry, 'levels', range(len(channels))):
            yield Place('', side, position, level, channels[level])
        return
    paths = pyramid.lateral if position == 'lateral' else pyramid.merge
    for level in choose(entry, 'levels', sorted(paths)):
        module: Any = model.get_submodule(paths[level])
        if position == 'lateral':
            yield Place(paths[level], 'after', position, channels=module.out_channels)
        else:
            yield Place(paths[level], 'before', position, channels=module.in_channels)


def _list(model: nn.Module, name: str) -> Sequence[nn.Module]:
    return list(getattr(model, name, None) or ())


def _paths(name: str, modules: Sequence[nn.Module]) -> dict[int, str]:
    return {level: f'{name}.{level}' for level in range(len(modules))}
