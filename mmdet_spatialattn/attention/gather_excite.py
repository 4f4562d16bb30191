"""Gather-excite: gather each channel over a neighbourhood, let the result gate it.

Paper:   Hu et al., Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks,
         NeurIPS 2018, Sec. 3 https://arxiv.org/abs/1810.12348
Code:    written from the paper. Authors' release: hujie-frank/GENet (Caffe, no weights).
Differs: the learned global gather is one depthwise filter of the size of the map in the paper; here
the map is averaged into 7x7 bins first, so that it may have any size (at 7x7 it is the paper's).
"""

from typing import Optional

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, build_norm, hidden_channels
from .pooling import adaptive_mean

EXTENTS = (0, 2, 4, 8)
VARIANTS = ('theta-', 'theta', 'theta+')
BINS = 7


@MODELS.register_module()
class GatherExcite(SpatialAttention):
    r"""Weigh each channel by what it gathers around each location, or over the whole map.

    :math:`y = x \odot \sigma(\mathrm{nearest}(f(\mathrm{gather}_e\, x)))`; :math:`f` is the
    identity, or the two layers of SE in ``'theta+'``

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        extent: ``e``: 0 gathers over the whole map; 2, 4 and 8 over windows of ``2e - 1``, one for
            every ``e`` locations.
        variant: ``'theta-'`` gathers by means and has no parameters; ``'theta'`` by depthwise
            convolutions (of stride 2, as many as ``e`` has factors of 2); ``'theta+'`` adds SE's
            two layers.
        reduction: ``r`` of the two layers of ``'theta+'``.
        norm_cfg: Norm after each depthwise convolution; ``None`` for none. A detector with
            ``norm_eval`` keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``extent``, ``variant`` or ``reduction`` is none of those above.

    Example:
        >>> import torch
        >>> GatherExcite(64, extent=4, variant='theta')(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'gather_excite'
    family = 'channel'
    maps: tuple[str, ...] = ('channel',)

    def __init__(
        self,
        in_channels: int,
        extent: int = 0,
        variant: str = 'theta-',
        reduction: int = 16,
        norm_cfg: Optional[dict] = dict(type='BN'),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        if extent not in EXTENTS:
            raise UserError(f'GatherExcite: extent must be one of {EXTENTS}, got {extent!r}')
        if variant not in VARIANTS:
            raise UserError(f'GatherExcite: variant must be one of {VARIANTS}, got {variant!r}')
        self.extent = extent
        if extent:
            self.maps = ('channel', 'spatial')
        self.gather = None if variant == 'theta-' else self._filters(norm_cfg)
        self.mlp = None
        if variant == 'theta+':
            hidden = hidden_channels(self, in_channels, reduction)
            self.mlp = nn.Sequential(
                nn.Conv2d(in_channels, hidden, 1),
                nn.ReLU(inplace=True),
                nn.Conv2d(hidden, in_channels, 1),
            )

    def attend(self, x: Tensor) -> Tensor:
        gathered = self._gather(x)  # (N, C, H / e, W / e)
        if self.mlp is not None:
            gathered = self.mlp(gathered)
        if self.extent:
            gathered = F.interpolate(gathered, size=x.shape[2:])
        gate = gathered.sigmoid()
        self.publish(**dict.fromkeys(self.maps, gate))
        return x * gate

    def _gather(self, x: Tensor) -> Tensor:
        e = self.extent
        if self.gather is not None:
            return self.gather(x if e else adaptive_mean(x, (BINS, BINS)))
        if e:
            return F.avg_pool2d(x, 2 * e - 1, e, e - 1, count_include_pad=False)
        return x.mean((2, 3), keepdim=True)

    def _filters(self, norm_cfg: Optional[dict]) -> nn.Sequential:
        channels = self.in_channels
        layers: list[nn.Module] = []
        for _ in range(max(self.extent.bit_length() - 1, 1)):
            side, stride, padding = (3, 2, 1) if self.extent else (BINS, 1, 0)
            bias = norm_cfg is None
            layers += [
                nn.Conv2d(channels, channels, side, stride, padding, groups=channels, bias=bias),
                build_norm(self, norm_cfg, channels),
                nn.ReLU(inplace=True),
            ]
        return nn.Sequential(*layers[:-1])
