"""The effect of a new attention module on its input, measured."""

import copy
from typing import Any

import torch
from torch import nn

from ..errors import UserError
from ..results.initial_effect import InitialEffect
from .initialisation import own_random_stream

GUIDE_SIZE = (4, 5)
WIDE = 256
"""Above this number of channels the probe is a single small map, which spares time."""


def initial_effect(module: nn.Module, channels: int) -> InitialEffect:
    """Measure the effect of a module on features of ``channels`` channels.

    Works on a copy, and takes no random numbers of the default stream.

    Raises:
        UserError: It fails on such features, or returns something else than a map of their shape.

    Example:
        >>> from mmdet_spatialattn.attention import SGE
        >>> print(initial_effect(SGE(64), 64))
        x 0.73
    """
    module = copy.deepcopy(module).eval()
    like = next(module.parameters(), torch.empty(0))
    generator = torch.Generator().manual_seed(0)

    def features(channels: int, size: tuple[int, int]) -> torch.Tensor:
        return torch.randn(images, channels, *size, generator=generator).to(like)

    images, size = (2, (16, 20)) if channels <= WIDE else (1, (8, 8))
    maps: list[Any] = [features(channels, size)]
    if getattr(module, 'family', '') == 'guided':
        maps.append(features(module.guide_channels, GUIDE_SIZE))  # type: ignore[arg-type]
    name, given = type(module).__name__, tuple(maps[0].shape)
    try:
        with own_random_stream('initial effect'), torch.no_grad():
            output = module(*maps)
    except Exception as error:
        reason = ' '.join(str(error).split())[:200]
        raise UserError(
            f'{name} fails on a map {given}: {type(error).__name__}: {reason}'
        ) from error
    if not isinstance(output, torch.Tensor) or output.shape != maps[0].shape:
        returned = (
            f'a map {tuple(output.shape)}'
            if isinstance(output, torch.Tensor)
            else f'a {type(output).__name__}'
        )
        raise UserError(
            f'{name} returns {returned} for a map {given}; inserted attention must return one map '
            'of the shape it got: the features, attended to, and not the gate alone'
        )
    x, y = maps[0].double(), output.double()
    return InitialEffect(
        factor=float((x * y).sum() / x.square().sum()), change=float((y - x).norm() / x.norm())
    )
