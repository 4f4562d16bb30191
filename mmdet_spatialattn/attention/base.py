"""Base classes of the attention modules: constructor, identity at the start, published maps."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Optional, Union

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..errors import UserError, did_you_mean
from .fused import scale
from .initialisation import loads_pretrained, note_load

NORMS = ('BN', 'SyncBN', 'GN', 'IN')
"""Types that ``norm_cfg`` may name: MMCV's norms of maps."""


class SpatialAttention(BaseModule):
    r"""Base of every attention module: a map from features to features of the same shape.

    A subclass contains what the paper describes: the layers, :meth:`attend`, and, if the paper
    starts some weights at chosen values, :meth:`reset_parameters`. It declares the class attributes
    below.

    With ``identity_init=True`` the module returns :math:`x + \alpha\,(\mathrm{attend}(x) - x)` with
    one scalar parameter :math:`\alpha`, which starts at 0: a pretrained detector gives
    bit-identical outputs at step 0, and :math:`\alpha = 1` is the paper. Without the option there
    is no ``alpha``, so that checkpoints keep the keys of the authors' releases. A module that the
    paper itself starts as the identity (:attr:`identity_at_init`) never has one: two zeros in a row
    would stop each other's gradients for ever.

    The initialisation of a module is its own: ``init_weights`` of the host that it sits in leaves
    it alone (:mod:`.initialisation`).

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        identity_init: Start as the exact identity.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        UserError: ``in_channels`` is not a positive integer, or the input has other channels.
    """

    family: ClassVar[str] = ''
    """One of 'channel', 'spatial', 'channel+spatial', 'global', 'guided', 'control'."""

    cost: str = 'O(HW)'
    """How time and memory grow with the map: 'O(HW)', 'O(HW(H+W))' or 'O((HW)^2)'. An instance may
    have another value than its class, if an argument decides; the same holds for :attr:`maps`."""

    maps: tuple[str, ...] = ()
    """Names of the maps that :meth:`publish` receives."""

    gates: bool = True
    """Whether the maps are gates: factors from 0 to 1, whose gradients vanish at both ends."""

    identity_at_init: bool = False
    """Whether the paper starts the module as the exact identity, by :meth:`reset_parameters`."""

    _is_attention = True
    _captured: Optional[dict[str, Tensor]] = None

    def __init__(
        self, in_channels: int, identity_init: bool = False, init_cfg: Optional[dict] = None
    ) -> None:
        super().__init__(init_cfg)
        if not isinstance(in_channels, int) or in_channels < 1:
            name = type(self).__name__
            raise UserError(f'{name}: in_channels must be a positive integer, got {in_channels!r}')
        self.in_channels = in_channels
        needs_alpha = identity_init and not self.identity_at_init
        self.alpha = nn.Parameter(torch.zeros(())) if needs_alpha else None

    def attend(self, x: Tensor) -> Tensor:
        """Return the paper's output for ``x``, of the same shape."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Set the weights that the paper starts at chosen values, such as zeroed layers."""

    def init_weights(self) -> None:
        """Apply ``init_cfg``, then restore the values that the paper chooses, and the identity.

        Weights that were initialised or loaded before stay the same, and so do weights that
        ``init_cfg`` loads.
        """
        chosen = not self.is_init and not loads_pretrained(self)
        super().init_weights()
        if chosen:
            self.reset_parameters()
            if self.alpha is not None:
                nn.init.zeros_(self.alpha)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:  # type: ignore[override]
        note_load(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        return self._blend(x, self.attend(x))

    @property
    def capturing(self) -> bool:
        """Whether :func:`capture_maps` is active; guards work that only published maps need."""
        return self._captured is not None

    def publish(self, **maps: Tensor) -> None:
        """Publish attention maps under the names in :attr:`maps`, while they are captured.

        A name that begins with ``spatial`` stands for a map ``(N, 1, H, W)``, one that begins with
        ``channel`` for a gate ``(N, C, 1, 1)``; values that depend on more are averaged.
        """
        if self._captured is not None:
            for name, value in maps.items():
                rest = (1,) if name.startswith('spatial') else (2, 3)
                self._captured[name] = value.detach().mean(rest, keepdim=True)

    def _check(self, x: Tensor) -> None:
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            fits = f'build it with in_channels={x.shape[1]}' if x.dim() == 4 else 'give it a batch'
            raise UserError(
                f'{type(self).__name__}: built for maps (N, {self.in_channels}, H, W), got '
                f'{tuple(x.shape)}; {fits}'
            )

    def _blend(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ``x + alpha (y - x)``: exactly ``x`` at 0, exactly ``y`` at 1 or without alpha."""
        y = y.to(x.dtype)
        if self.alpha is None:
            return y
        return torch.lerp(x, y, self.alpha.to(x.dtype))


class GatedAttention(SpatialAttention):
    """Base of attention that multiplies the map with a gate per channel, per location, or both.

    A subclass has :meth:`weigh` in place of :meth:`attend`; gates, blend and gradients are applied
    in one pass (:mod:`.fused`).
    """

    rule: str = 'multiply'
    """How both gates act; see :func:`.fused.scale`."""

    def weigh(self, x: Tensor) -> tuple[Optional[Tensor], Optional[Tensor]]:
        """Return the gates ``(N, C, 1, 1)`` and ``(N, 1, H, W)``; ``None`` for one there is not."""
        raise NotImplementedError

    def attend(self, x: Tensor) -> Tensor:
        return scale(x, *self.weigh(x), rule=self.rule)

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        return scale(x, *self.weigh(x), rule=self.rule, alpha=self.alpha)


class BatchNorm2d(nn.BatchNorm2d):
    """BatchNorm that uses its running statistics where a batch has one value per channel.

    The last level of a pyramid may be 1x1 and a batch may hold one image. Then there is no
    variance, and torch raises an error.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.track_running_stats and x.numel() == x.shape[1]:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class GroupNorm(nn.GroupNorm):
    """GroupNorm that normalises a single value per group to 0.

    For a 1x1 map of one image with as many groups as channels, torch raises an error even in eval
    mode. The number of channels is the first argument, as MMCV passes it.
    """

    def __init__(self, num_channels: int, num_groups: int, **kwargs) -> None:
        super().__init__(num_groups, num_channels, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def build_norm(module: SpatialAttention, norm_cfg: Optional[dict], channels: int) -> nn.Module:
    """Return the norm of maps that ``norm_cfg`` describes; the identity for ``None``.

    Raises:
        UserError: ``norm_cfg`` does not name a norm, or does not fit ``channels``.
    """
    if norm_cfg is None:
        return nn.Identity()
    name = type(module).__name__
    if not isinstance(norm_cfg, dict) or 'type' not in norm_cfg:
        raise UserError(
            f"{name}: norm_cfg must be None or a dict such as dict(type='BN'), got {norm_cfg!r}"
        )
    kind = norm_cfg['type']
    ours = {'BN': BatchNorm2d, 'BN2d': BatchNorm2d, 'GN': GroupNorm}
    cfg = dict(norm_cfg, type=ours.get(kind, kind))
    try:
        return build_norm_layer(cfg, channels)[1]
    except KeyError as error:
        nearest = did_you_mean(str(kind), NORMS)
        raise UserError(
            f"{name}: norm_cfg has the unknown type '{kind}'{nearest} (known: {', '.join(NORMS)})"
        ) from error
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(
            f'{name}: norm_cfg {norm_cfg!r} makes no norm of {channels} channels: {error}'
        ) from error


class GuidedAttention(SpatialAttention):
    r"""Base of attention that a second map, the guide, directs.

    The guide may have any size: a subclass resizes it, or a map computed from it, with
    :func:`resize_guide`. A guide of one position, ``(N, G, 1, 1)``, is a global guide.

    Shape:
        Input ``(N, C, H, W)`` and guide ``(N, G, H', W')``, any sizes >= 1; output as the input.

    Args:
        in_channels: ``C``; the host passes it.
        guide_channels: ``G``; by default ``C``.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``in_channels`` or ``guide_channels`` is not a positive integer; in the forward
            pass, the guide has other channels or another batch size.
    """

    family = 'guided'

    def __init__(self, in_channels: int, guide_channels: Optional[int] = None, **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.guide_channels = in_channels if guide_channels is None else guide_channels
        if not isinstance(self.guide_channels, int) or self.guide_channels < 1:
            name = type(self).__name__
            raise UserError(
                f'{name}: guide_channels must be a positive integer, got {guide_channels!r}'
            )

    def attend(self, x: Tensor, guide: Tensor) -> Tensor:  # type: ignore[override]
        """Return the paper's output for ``x`` under ``guide``, of the shape of ``x``."""
        raise NotImplementedError

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:  # type: ignore[override]
        self._check(x)
        if guide.dim() != 4 or guide.shape[:2] != (x.shape[0], self.guide_channels):
            raise UserError(
                f'{type(self).__name__}: the guide must be ({x.shape[0]}, {self.guide_channels}, '
                f'H, W), got {tuple(guide.shape)}; set guide_channels to what the guide has'
            )
        return self._blend(x, self.attend(x, guide))


def resize_guide(guide: Tensor, size: Sequence[int]) -> Tensor:
    """Return ``guide`` interpolated to the given size; a global guide stays ``(N, G, 1, 1)``.

    A guide of the same size is interpolated too, without effect, because a comparison of the sizes
    would become a constant of an exported graph.
    """
    if guide.shape[2:] == (1, 1):
        return guide
    return F.interpolate(guide, size=tuple(size), mode='bilinear', align_corners=False)


def hidden_channels(module: SpatialAttention, in_channels: int, reduction: int) -> int:
    """Return the width of a bottleneck, ``max(in_channels // reduction, 1)``.

    Raises:
        UserError: ``reduction`` is not a positive integer.
    """
    if not isinstance(reduction, int) or reduction < 1:
        name = type(module).__name__
        raise UserError(f'{name}: reduction must be a positive integer, got {reduction!r}')
    return max(in_channels // reduction, 1)


def check_divides(module: SpatialAttention, in_channels: int, **argument: int) -> None:
    """Check that an argument, such as ``groups=8``, divides ``in_channels``.

    Raises:
        UserError: It does not; the message lists the divisors.
    """
    ((name, value),) = argument.items()
    if not isinstance(value, int) or value < 1 or in_channels % value:
        divisors = [d for d in range(1, in_channels + 1) if in_channels % d == 0]
        raise UserError(
            f'{type(module).__name__}: {name}={value!r} does not divide in_channels={in_channels}; '
            f'choose one of {", ".join(map(str, divisors))}'
        )


def check_odd(module: SpatialAttention, **argument: int) -> None:
    """Check that the side of a window, such as ``kernel_size=7``, is odd and positive.

    Raises:
        UserError: It is not.
    """
    ((name, value),) = argument.items()
    if not isinstance(value, int) or value < 1 or value % 2 == 0:
        raise UserError(f'{type(module).__name__}: {name} must be odd, got {value!r}')


def odd_conv(
    module: SpatialAttention,
    in_channels: int,
    out_channels: int,
    kernel_size: Union[int, tuple[int, int]],
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """Return a convolution with an odd window that keeps the size of the map.

    Raises:
        UserError: ``kernel_size`` is even.
    """
    height, width = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    check_odd(module, kernel_size=height)
    check_odd(module, kernel_size=width)
    padding = (height // 2 * dilation, width // 2 * dilation)
    return nn.Conv2d(
        in_channels, out_channels, (height, width), 1, padding, dilation, groups, bias=bias
    )


@contextlib.contextmanager
def capture_maps(model: nn.Module) -> Iterator[dict[str, dict[str, Tensor]]]:
    """Collect the maps that the attention modules in ``model`` publish, by path and name.

    For a module that runs several times (shared weights), they are the maps of its last run.

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
