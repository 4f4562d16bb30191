"""Named positions in the ResNets of MMDetection, torchvision and timm, and their relatives.

A ResNet is recognised by its stages ``layer1``, ``layer2``, ... of blocks with ``conv1``.
"""

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from ..errors import UserError
from .attach import SLOTS, Placement
from .entry import Entry, choose

POSITIONS = (*SLOTS, 'after_add', 'before_stage', 'after_stage', 'stem')


def stages(model: nn.Module) -> list[str]:
    """Return the names of the stages; an empty list if ``model`` is not a ResNet."""
    names = [name for name, _ in model.named_children() if re.fullmatch(r'layer\d+', name)]
    blocks = [block for name in names for block in model.get_submodule(name).children()]
    is_resnet = len(names) > 1 and all(hasattr(block, 'conv1') for block in blocks)
    return sorted(names, key=lambda name: int(name[5:])) if is_resnet else []


def placements(model: nn.Module, entry: Entry) -> Iterator[Placement]:
    """Yield the placements of an entry whose position is one of POSITIONS.

    Raises:
        UserError: The blocks have no such position, or the entry chooses stages or blocks that do
            not exist.
    """
    names = stages(model)
    position = str(entry.position)
    entry.refuse(('levels',), f"position='{position}', where stages chooses")
    if position == 'stem':
        entry.refuse(('stages', 'blocks'), "position='stem', of which there is one")
        yield _stem(model, names)
        return
    if position.endswith('_stage'):
        entry.refuse(('blocks',), f"position='{position}', which is not in a block")
    chosen = [names[i] for i in choose(entry, 'stages', range(len(names)), integers=False)]
    _check_rfp(model, entry)
    for name in chosen:
        blocks = dict(model.get_submodule(name).named_children())
        if position.endswith('_stage'):
            yield _stage(name, blocks, position)
            continue
        paths = list(blocks)
        for i in choose(entry, 'blocks', range(len(blocks))):
            yield _block(f'{name}.{paths[i]}', blocks[paths[i]], entry)


def _stem(model: nn.Module, names: list[str]) -> Placement:
    """Return the placement after the last ReLU of the stem, before the pooling if there is one."""
    first: Any = next(model.get_submodule(names[0]).children())
    path = 'maxpool' if hasattr(model, 'maxpool') else names[0]
    return Placement(path, 'before', 'stem', channels=first.conv1.in_channels)


def _stage(name: str, blocks: dict[str, Any], position: str) -> Placement:
    paths = list(blocks)
    if position == 'before_stage':
        return Placement(name, 'before', position, channels=blocks[paths[0]].conv1.in_channels)
    return Placement(name, 'after', position, channels=_last_conv(blocks[paths[-1]]).out_channels)


def _block(path: str, block: Any, entry: Entry) -> Placement:
    position = str(entry.position)
    last = _last_conv(block)
    convs = 3 if hasattr(block, 'conv3') else 2
    if position == 'after_add':
        return Placement(path, 'after', position, channels=last.out_channels)
    number = int(position[-1])
    if number > convs:
        raise UserError(
            f"position 'after_conv3' does not exist in a {type(block).__name__}, "
            f'which has two convolutions; choose after_conv1, after_conv2 or after_add'
        )
    if hasattr(block, 'forward_plugin'):
        channels = (block.conv1.out_channels, last.in_channels, last.out_channels)
        return Placement(path, position, position, channels=channels[number - 1])
    if number == convs:
        norm = getattr(block, f'norm{number}_name', f'bn{number}')
        return Placement(f'{path}.{norm}', 'after', position, channels=last.out_channels)
    following = getattr(block, f'conv{number + 1}')
    return Placement(f'{path}.conv{number + 1}', 'before', position, channels=following.in_channels)


def _last_conv(block: Any) -> Any:
    return block.conv3 if hasattr(block, 'conv3') else block.conv2


def _check_rfp(model: Any, entry: Entry) -> None:
    if getattr(model, 'rfp_inplanes', None) and entry.position not in SLOTS:
        raise UserError(
            f"a recursive pyramid's backbone calls parts of its blocks, so that "
            f"position '{entry.position}' would never run; choose {', '.join(SLOTS)} or stem"
        )
