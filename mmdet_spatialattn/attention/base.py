"""What all attention modules share: constructor, identity at the start, published maps."""

import contextlib
from collections.abc import Iterator
from typing import ClassVar, Optional

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn


class SpatialAttention(BaseModule):
    r"""Base of every attention module: a map from features to features of the same shape.

    A subclass holds the paper: its layers, :meth:`attend`, and, where the paper starts some weights
    at a chosen value, :meth:`reset_parameters`. It declares the class attributes below.

    With ``identity_init=True`` the module returns :math:`x + \alpha\,(\mathrm{attend}(x) - x)` with
    one scalar parameter :math:`\alpha`, which starts at 0: a pretrained detector gives
    bit-identical outputs at step 0, and :math:`\alpha = 1` is the paper. The parameter is bare
    because the initialisers of the surrounding backbone overwrite the weights of every convolution
    below it and cannot reach this one. Without the option there is no ``alpha``, so that
    checkpoints keep the keys of the authors' releases.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        identity_init: Start as the exact identity.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: ``in_channels`` is not a positive integer.
    """

    family: ClassVar[str] = ''
    """One of 'channel', 'spatial', 'channel+spatial', 'global', 'guided', 'control'."""

    cost: ClassVar[str] = 'O(HW)'
    """How time and memory grow with the map: 'O(HW)', 'O(HW(H+W))' or 'O((HW)^2)'."""

    maps: ClassVar[tuple[str, ...]] = ()
    """Names under which :meth:`publish` is called: what there is to look at."""

    _captured: Optional[dict[str, Tensor]] = None

    def __init__(
        self, in_channels: int, identity_init: bool = False, init_cfg: Optional[dict] = None
    ) -> None:
        super().__init__(init_cfg)
        if not isinstance(in_channels, int) or in_channels < 1:
            name = type(self).__name__
            raise ValueError(f'{name}: in_channels must be a positive integer, got {in_channels!r}')
        self.in_channels = in_channels
        self.alpha = nn.Parameter(torch.zeros(())) if identity_init else None

    def attend(self, x: Tensor) -> Tensor:
        """Return the paper's output for ``x``, of the same shape."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Give the weights that the paper starts at a chosen value (zeroed layers) that value."""

    def init_weights(self) -> None:
        """Initialise as the host asks, then restore the paper's chosen values and the identity."""
        super().init_weights()
        self.reset_parameters()
        if self.alpha is not None:
            nn.init.zeros_(self.alpha)

    def forward(self, x: Tensor) -> Tensor:
        return self._blend(x, self.attend(x))

    def publish(self, **maps: Tensor) -> None:
        """Hand over attention maps under stated names, while :func:`capture_maps` listens.

        Spatial maps are ``(N, 1, H, W)``, channel gates ``(N, C, 1, 1)``.
        """
        if self._captured is not None:
            self._captured.update((name, value.detach()) for name, value in maps.items())

    def _blend(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x + alpha (y - x)``: exactly ``x`` at 0, exactly ``y`` at 1 or without alpha."""
        if self.alpha is None:
            return y
        return torch.lerp(x, y.to(x.dtype), self.alpha.to(x.dtype))


def hidden_channels(module: SpatialAttention, in_channels: int, reduction: int) -> int:
    """Return the width of a bottleneck, ``max(in_channels // reduction, 1)``.

    Raises:
        ValueError: ``reduction`` is less than 1.
    """
    if reduction < 1:
        raise ValueError(f'{type(module).__name__}: reduction must be at least 1, got {reduction}')
    return max(in_channels // reduction, 1)


def odd_conv(
    module: SpatialAttention, in_channels: int, out_channels: int, kernel_size: int, **kwargs
) -> nn.Conv2d:
    """Return a convolution without bias that keeps the size of the map.

    Raises:
        ValueError: ``kernel_size`` is even.
    """
    if kernel_size % 2 == 0:
        raise ValueError(f'{type(module).__name__}: kernel_size must be odd, got {kernel_size}')
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False, **kwargs
    )


@contextlib.contextmanager
def capture_maps(model: nn.Module) -> Iterator[dict[str, dict[str, Tensor]]]:
    """Collect the maps that the attention modules below ``model`` publish, by path and name.

    A module that runs several times (shared weights) keeps the maps of its last run.

    Example:
        >>> from mmdet_spatialattn.attention import SpatialGate
        >>> gate = SpatialGate(8)
        >>> with capture_maps(gate) as captured:
        ...     y = gate(torch.rand(1, 8, 5, 7))
        >>> captured['']['spatial'].shape
        torch.Size([1, 1, 5, 7])
    """
    modules = {name: m for name, m in model.named_modules() if isinstance(m, SpatialAttention)}
    captured: dict[str, dict[str, Tensor]] = {name: {} for name in modules}
    try:
        for name, module in modules.items():
            module._captured = captured[name]
        yield captured
    finally:
        for module in modules.values():
            module._captured = None
