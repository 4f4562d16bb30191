"""Non-local block: every position sees every other.

Paper:   Wang et al., Non-local Neural Networks, CVPR 2018, Sec. 3
         https://arxiv.org/abs/1711.07971
Code:    MMCV's ``NonLocal2d`` under the base of this package. Authors' release:
facebookresearch/video-nonlocal-net (Apache-2.0).
Differs: nothing; the zeroed last layer survives the initialisers of the host.
"""

from typing import Optional

from mmcv.cnn.bricks import NonLocal2d
from torch import Tensor

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, build_norm, hidden_channels
from .recording import SoftmaxRecorder

MODES = ('embedded_gaussian', 'gaussian', 'dot_product')


@MODELS.register_module()
class NonLocal(SpatialAttention):
    r"""Add to each position a mean of all, weighted by how well they match it.

    :math:`y = x + W_o\, \mathrm{softmax}(\theta(x)^\top \phi(x) / \sqrt{d})\, g(x)`,
    :math:`W_o = 0` at the start

    Its map is the attention that each position receives; 1 is the average. The dot product, which
    has no softmax, publishes none.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: The projections have ``d = max(C // reduction, 1)`` channels.
        mode: ``'embedded_gaussian'``; ``'gaussian'``, without the first two projections; or
            ``'dot_product'``, divided by the number of positions.
        use_scale: Divide by the root of ``d`` in the first mode.
        norm_cfg: Norm after the last convolution, zeroed in its place; ``None`` for none. A
            detector with ``norm_eval`` keeps a BatchNorm here at its initial statistics.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``mode`` or the norm is unknown, or ``reduction`` is less than 1.

    Example:
        >>> import torch
        >>> NonLocal(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'non_local'
    family = 'global'
    cost = 'O((HW)^2)'
    maps: tuple[str, ...] = ('spatial',)
    gates = False
    identity_at_init = True

    def __init__(
        self,
        in_channels: int,
        reduction: int = 2,
        mode: str = 'embedded_gaussian',
        use_scale: bool = True,
        norm_cfg: Optional[dict] = None,
        **kwargs,
    ) -> None:
        super().__init__(in_channels, **kwargs)
        hidden_channels(self, in_channels, reduction)
        build_norm(self, norm_cfg, in_channels)
        if mode not in MODES:
            raise UserError(f'NonLocal: mode must be one of {MODES}, got {mode!r}')
        if mode == 'dot_product':
            self.maps = ()
        self.block = NonLocal2d(
            in_channels, reduction=reduction, mode=mode, use_scale=use_scale, norm_cfg=norm_cfg
        )

    def reset_parameters(self) -> None:
        self.block.init_weights()

    def attend(self, x: Tensor) -> Tensor:
        # MMCV's views need a contiguous map; one in channels_last is copied.
        x = x.contiguous()
        if not (self.capturing and self.maps):
            return self.block(x)
        with SoftmaxRecorder() as recorder:
            y = self.block(x)
        received = recorder.weights.sum(1)  # (N, H W)
        self.publish(spatial=received.view(-1, 1, *x.shape[2:]))
        return y
