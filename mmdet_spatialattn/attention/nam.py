"""Normalisation-based attention, the channel part: a norm's scales say which channels matter.

Paper:   Liu et al., NAM: Normalization-based Attention Module, NeurIPS 2021 workshop, Sec. 3
         https://arxiv.org/abs/2111.12419
Code:    written from the paper. Authors' release: Christian-lyc/NAM (no licence).
Differs: the release keeps gradients from passing through the channel weights; here they pass.
"""

from typing import cast

from torch import Tensor

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, build_norm


@MODELS.register_module()
class NAM(SpatialAttention):
    r"""Weigh each value by its own normalised value, more so in channels of large scale.

    :math:`y = x \odot \sigma(w_c\, \mathrm{norm}(x))`,
    :math:`w_c = |\gamma_c| / \sum_j |\gamma_j|` with the scales :math:`\gamma` of the norm

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        norm_cfg: The norm. A detector with ``norm_eval`` keeps a BatchNorm here at its initial
            statistics; its scales are learned all the same.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: The norm has no scale per channel.

    Example:
        >>> import torch
        >>> NAM(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'nam'
    family = 'channel'
    maps = ('channel', 'spatial')

    def __init__(self, in_channels: int, norm_cfg: dict = dict(type='BN'), **kwargs) -> None:
        super().__init__(in_channels, **kwargs)
        self.norm = build_norm(self, norm_cfg, in_channels)
        if not isinstance(getattr(self.norm, 'weight', None), Tensor):
            raise UserError(
                f"NAM: norm_cfg must give a norm with scales, as dict(type='BN'), got {norm_cfg!r}"
            )

    def attend(self, x: Tensor) -> Tensor:
        scales = cast(Tensor, self.norm.weight).abs()
        weight = (scales / scales.sum())[:, None, None]  # (C, 1, 1)
        gate = (self.norm(x) * weight).sigmoid()
        self.publish(channel=gate, spatial=gate)
        return x * gate
