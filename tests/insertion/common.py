"""What the tests of insertion share: building hosts with and without attention."""

import copy
from typing import Any

import torch
from mmdet.registry import MODELS
from torch import nn

from mmdet_spatialattn.insertion.attach import TOKEN, attached_to

FPN = dict(of='FPN', in_channels=[8, 16, 32], out_channels=12, num_outs=4)
RESNET18 = dict(of='ResNet', depth=18, base_channels=8)
TWO_STAGES = dict(num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(0, 1))
RESNET50 = dict(of='ResNet', depth=50, base_channels=8)


class Double(nn.Module):
    """The simplest module whose effect can be computed by hand."""

    cost = 'O(HW)'

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels

    def forward(self, x):
        return x * 2


def entry(position: str, type: Any = 'CBAM', identity_init: bool = True, **keys) -> dict:
    """Return an entry for a named placement."""
    cfg = dict(type=type, identity_init=True) if identity_init else dict(type=type)
    return dict(cfg=cfg, position=position, **keys)


def double(**keys) -> dict:
    """Return an entry that doubles the maps at its place."""
    return dict(cfg=dict(type=Double), **keys)


def build(attention: list, **host) -> Any:
    """Build a host with attention, as a config does."""
    cfg = dict(type='mmdet_spatialattn.WithAttention', attention=attention, **host)
    return MODELS.build(copy.deepcopy(cfg))


def build_plain(of: str, **host) -> Any:
    """Build a host without attention; every parameter is random."""
    model = MODELS.build(copy.deepcopy(dict(type=of, **host)))
    randomise(model)
    return model


def randomise(model: nn.Module) -> None:
    """Give every parameter random values at which signals and gradients stay alive."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                deviation = (2 / parameter[0].numel()) ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
            else:
                parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.5)


def same_weights(attention: list, **host) -> tuple[Any, Any]:
    """Build a host with and without attention, of the same weights, in eval mode."""
    plain, model = build_plain(**host), build(attention, **host)
    model.load_state_dict(plain.state_dict())
    plain.eval()
    model.eval()
    return model, plain


def equal(a: Any, b: Any) -> bool:
    """Return whether two sequences of maps agree in every bit."""
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b))


def close(a: Any, b: Any) -> bool:
    """Return whether two sequences of maps agree to 1e-5 of their largest value."""
    return all((x - y).abs().max() <= 1e-5 * y.abs().max() for x, y in zip(a, b))


def maps(channels: Any, size: int = 32, images: int = 2) -> tuple[torch.Tensor, ...]:
    """Return maps of a pyramid, of the given channels, each half as large as the one before."""
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.rand(images, c, size >> i, size >> i, generator=generator)
        for i, c in enumerate(channels)
    )


def modules_by_position(model: nn.Module) -> dict[str, list[nn.Module]]:
    """Return the inserted modules by the name of their placement."""
    found: dict[str, list[nn.Module]] = {}
    for _, target, attached in attached_to(model):
        assert attached.name.endswith(TOKEN)
        found.setdefault(attached.placement.position, []).append(getattr(target, attached.name))
    return found
