"""Named positions in feature pyramids, which are recognised by the names of their convolutions.

Levels are counted as in the output of the neck: level 0 is the largest map.
"""

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Optional

from torch import nn

from .attach import Placement
from .entry import Entry, choose

POSITIONS = ('input', 'lateral', 'merge', 'output')


@dataclass(frozen=True)
class Pyramid:
    """The maps and convolutions that a neck declares.

    Attributes:
        inputs: Channels of the maps that go in and are used, by index; ``None`` if not declared.
        outputs: Channels of the maps that come out.
        lateral: Paths of the modules that first read a level, by level.
        merge: Paths of the output convolutions, whose inputs are the merged maps, by level.
    """

    inputs: Optional[dict[int, int]]
    outputs: list[int]
    lateral: dict[int, str]
    merge: dict[int, str]

    @property
    def positions(self) -> tuple[str, ...]:
        """Names of the positions that the neck has."""
        known = dict(input=self.inputs, lateral=self.lateral, merge=self.merge, output=True)
        return tuple(position for position in POSITIONS if known[position])


def read_pyramid(model: Any) -> Optional[Pyramid]:
    """Return what a neck declares; ``None`` for a model that is not a known neck."""
    if _list(model, 'lateral_convs') and hasattr(model, 'backbone_end_level'):
        return _fpn(model)
    if _list(model, 'reduce_layers') and _list(model, 'out_convs'):
        return _csp_pafpn(model)
    if _list(model, 'inner_blocks') and _list(model, 'layer_blocks'):
        return _torchvision_fpn(model)
    if _list(model, 'convs') and hasattr(model, 'extra_convs'):
        return _channel_mapper(model)
    if hasattr(model, 'refine_level'):  # BFP
        levels = [model.in_channels] * model.num_levels
        return Pyramid(_numbered(levels), levels, {}, {})
    return None


def _fpn(model: Any) -> Pyramid:
    laterals = _list(model, 'lateral_convs')
    used = range(model.start_level, model.backbone_end_level)
    recursive = hasattr(model, 'rfp_modules')  # its first input is the image
    return Pyramid(
        inputs=None if recursive else {i: model.in_channels[i] for i in used},
        outputs=[model.out_channels] * model.num_outs,
        lateral=_paths('lateral_convs', laterals),
        merge=_paths('fpn_convs', _list(model, 'fpn_convs')[: len(laterals)]),
    )


def _csp_pafpn(model: Any) -> Pyramid:
    """Read CSPNeXtPAFPN or YOLOXPAFPN, whose laterals go from the top down without level 0."""
    top = len(model.in_channels) - 1
    return Pyramid(
        inputs=_numbered(model.in_channels),
        outputs=[model.out_channels] * (top + 1),
        lateral={level: f'reduce_layers.{top - level}' for level in range(1, top + 1)},
        merge=_paths('out_convs', model.out_convs),
    )


def _torchvision_fpn(model: Any) -> Pyramid:
    convs = [
        next(m for m in block.modules() if isinstance(m, nn.Conv2d)) for block in model.inner_blocks
    ]
    extra = model.extra_blocks
    levels = len(convs) + (0 if extra is None else 2 if hasattr(extra, 'p7') else 1)
    return Pyramid(
        inputs=_numbered([conv.in_channels for conv in convs]),
        outputs=[convs[0].out_channels] * levels,
        lateral=_paths('inner_blocks', model.inner_blocks),
        merge=_paths('layer_blocks', model.layer_blocks),
    )


def _channel_mapper(model: Any) -> Pyramid:
    convs = [*model.convs, *_list(model, 'extra_convs')]
    return Pyramid(
        inputs=_numbered([conv.in_channels for conv in model.convs]),
        outputs=[conv.out_channels for conv in convs],
        lateral={},
        merge={},
    )


def placements(model: nn.Module, entry: Entry, pyramid: Pyramid) -> Iterator[Placement]:
    """Yield the placements of an entry whose position is one of POSITIONS.

    Raises:
        UserError: The entry chooses a level that does not exist.
    """
    position = str(entry.position)
    entry.refuse(('stages', 'blocks'), f"position='{position}', where levels chooses")
    if position in ('input', 'output'):
        side = 'before' if position == 'input' else 'after'
        channels = pyramid.inputs if position == 'input' else _numbered(pyramid.outputs)
        for level in choose(entry, 'levels', sorted(channels or {})):
            yield Placement('', side, position, level, (channels or {})[level])
        return
    paths, side = (pyramid.lateral, 'after') if position == 'lateral' else (pyramid.merge, 'before')
    for level in choose(entry, 'levels', sorted(paths)):
        yield Placement(paths[level], side, position)


def _list(model: nn.Module, name: str) -> list[nn.Module]:
    return list(getattr(model, name, None) or ())


def _numbered(channels: Sequence[int]) -> dict[int, int]:
    return dict(enumerate(channels))


def _paths(name: str, modules: Sized) -> dict[int, str]:
    return {level: f'{name}.{level}' for level in range(len(modules))}
