"""Sample modules and inputs, for every test that sweeps over the registry."""

from typing import Any

import torch
from torch import Tensor, nn

from mmdet_spatialattn import build_attention
from mmdet_spatialattn.attention import SpatialAttention

CHANNELS = 32
"""Channels of the samples."""

ARGUMENTS: dict[str, dict[str, Any]] = {
    'FCA': dict(reduction=4),
    'SGE': dict(groups=8),
    'ShuffleAttention': dict(groups=4),
}
"""Arguments of the modules whose defaults do not fit so few channels."""


def build(name: str, **kwargs) -> SpatialAttention:
    """Return the module as a user gets it, with a fixed random initialisation."""
    torch.manual_seed(0)
    return build_attention(name, CHANNELS, **{**ARGUMENTS.get(name, {}), **kwargs})


def build_trained(name: str, **kwargs) -> SpatialAttention:
    """Return the module with every weight and statistic off its initial value."""
    return perturb(build(name, **kwargs))


def perturb(module: SpatialAttention) -> SpatialAttention:
    """Move every weight and statistic off its initial value: zeroed layers hide mistakes."""
    generator = torch.Generator().manual_seed(1)

    def noise(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like)

    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(noise(parameter), alpha=0.2)
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.running_mean.add_(noise(layer.running_mean), alpha=0.2)
                layer.running_var.mul_(noise(layer.running_var).mul(0.2).exp())
    return module


def inputs(
    module: SpatialAttention, batch: int = 2, height: int = 9, width: int = 12, seed: int = 2
) -> tuple[Tensor, ...]:
    """Return a random map, and for a guided module a smaller guide."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, module.in_channels, height, width, generator=generator)
    if module.family != 'guided':
        return (x,)
    size = (batch, module.in_channels, (height + 2) // 3, (width + 2) // 3)
    return x, torch.randn(size, generator=generator)
