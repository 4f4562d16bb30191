"""The effect of a new attention module on its input, measured."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .initialisation import own_random_stream

GUIDE_SIZE = (4, 5)
WIDE = 256
"""Above this number of channels the probe is a single small map, which spares time."""


@dataclass(frozen=True)
class InitialEffect:
    """The effect of a module on random normal features, as norms give them, in eval mode.

    Prints as ``identity`` for equal output, ``x 0.50`` for scaled input, and ``destroys`` when the
    part of the output that one factor does not explain has more than half the size of the other.
    In a pretrained detector, a module without the identity needs ``identity_init=True``.

    Attributes:
        factor: The factor of the input that is nearest to the output, by least squares.
        change: Distance of the output from the input, relative to the input; 0 if they are equal.
    """

    factor: float
    change: float

    def __str__(self) -> str:
        if self.change == 0:
            return 'identity'
        rest = max(self.change**2 - (1 - self.factor) ** 2, 0) ** 0.5
        return 'destroys' if rest > 0.5 * abs(self.factor) else f'x {abs(self.factor):.2f}'


def initial_effect(module: nn.Module, channels: int) -> InitialEffect:
    """Measure the effect of a module on features of ``channels`` channels.

    Works on a copy, and takes no random numbers of the default stream.

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
    with own_random_stream('initial effect'), torch.no_grad():
        output = module(*maps)
    x, y = maps[0].double(), output.double()
    return InitialEffect(
        factor=float((x * y).sum() / x.square().sum()), change=float((y - x).norm() / x.norm())
    )
