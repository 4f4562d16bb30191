"""Named placements in a feature pyramid, recognised by the names of its convolutions.

Levels are counted as in the neck's output: level 0 is the largest map it gives.
"""

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Optional

from torch import nn

from .attach import Place
from .entry import Entry, choose

POSITIONS = ('input', 'lateral', 'merge', 'output')


@dataclass(frozen=True)
class Pyramid:
    """What a neck declares.

    Attributes:
        inputs: Channels of each map that goes in and is used, by its index among all; ``None``
            when it does not say.
        outputs: Channels of each map that comes out.
        lateral: Path of the module that first reads a level, by level.
        merge: Path of a level's output convolution, whose input is the merged map.
    """

    inputs: Optional[dict[int, int]]
    outputs: list[int]
    lateral: dict[int, str]
    merge: dict[int, str]

    @property
    def positions(self) -> tuple[str, ...]:
        known = dict(input=self.inputs, lateral=self.lateral, merge=self.merge, output=True)
        return tuple(position for position in POSITIONS if known[position])


def read_pyramid(model: Any) -> Optional[Pyramid]:
    """Return what a neck declares; ``None`` when ``model`` is none that is known."""
    if _list(model, 'lateral_convs') and hasattr(model, 'num_outs'):
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
    """CSPNeXtPAFPN and YOLOXPAFPN, whose laterals go from the top down and leave out level 0."""
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


def places(model: nn.Module, pyramid: Pyramid, entry: Entry) -> Iterator[Place]:
    """Yield the places of an entry whose position is one of POSITIONS.

    Raises:
        UserError: The entry chooses a level that does not exist.
    """
    position = str(entry.position)
    if position in ('input', 'output'):
        side = 'before' if position == 'input' else 'after'
        channels = pyramid.inputs if position == 'input' else _numbered(pyramid.outputs)
        for level in choose(entry, 'levels', sorted(channels or {})):
            yield Place('', side, position, level, (channels or {})[level])
        return
    paths, side = (pyramid.lateral, 'after') if position == 'lateral' else (pyramid.merge, 'before')
    for level in choose(entry, 'levels', sorted(paths)):
        yield Place(paths[level], side, position)


def _list(model: nn.Module, name: str) -> list[nn.Module]:
    return list(getattr(model, name, None) or ())


def _numbered(channels: Sequence[int]) -> dict[int, int]:
    return dict(enumerate(channels))


def _paths(name: str, modules: Sized) -> dict[int, str]:
    return {level: f'{name}.{level}' for level in range(len(modules))}
