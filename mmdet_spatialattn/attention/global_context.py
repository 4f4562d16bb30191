"""Global context: one attended mean of the map, transformed and added everywhere.

Paper:   Cao et al., GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, ICCVW
         2019, Sec. 3.3 https://arxiv.org/abs/1904.11492
Code:    MMCV's ``ContextBlock`` under the base of this package. Authors' release: xvjiarui/GCNet
         (Apache-2.0).
Differs: nothing; the zeroed last convolution survives the initialisers of the host.
"""

from collections.abc import Sequence

from mmcv.cnn.bricks import ContextBlock
from torch import Tensor

from ..errors import UserError
from ..registry import MODELS
from .base import SpatialAttention, hidden_channels
from .recording import SoftmaxRecorder

POOLINGS = ('att', 'avg')
FUSIONS = ('channel_add', 'channel_mul')


@MODELS.register_module()
class GlobalContext(SpatialAttention):
    r"""Add to each position what the attended mean of all positions becomes in a bottleneck.

    :math:`y = x + W_2\, \mathrm{ReLU}(\mathrm{LN}(W_1 \sum_j \mathrm{softmax}_{HW}(w^\top x)_j
    x_j))`, :math:`W_2 = 0` at the start

    Its map is the weight of each position in the mean; 1 is the average.

    Shape:
        Input ``(N, C, H, W)``, any ``H, W >= 1``; output the same.

    Args:
        in_channels: ``C``; the host passes it.
        reduction: The bottleneck has ``max(C // reduction, 1)`` channels.
        pooling_type: ``'att'`` for the attended mean, ``'avg'`` for the plain one.
        fusion_types: One or both of ``'channel_add'`` and ``'channel_mul'``, a sigmoid gate.
        **kwargs: See :class:`SpatialAttention`.

    Raises:
        UserError: ``pooling_type`` or ``fusion_types`` is unknown, or ``reduction`` is less than 1.

    Example:
        >>> import torch
        >>> GlobalContext(64)(torch.rand(2, 64, 20, 13)).shape
        torch.Size([2, 64, 20, 13])
    """

    _abbr_ = 'global_context'
    family = 'global'
    maps: tuple[str, ...] = ('spatial',)
    gates = False
    identity_at_init = True

    def __init__(
        self,
        in_channels: int,
        reduction: int = 16,
        pooling_type: str = 'att',
        fusion_types: Sequence[str] = ('channel_add',),
        **kwargs,
    ) -> None:
        fusions = (fusion_types,) if isinstance(fusion_types, str) else tuple(fusion_types)
        self.identity_at_init = 'channel_mul' not in fusions  # its gate starts at one half
        super().__init__(in_channels, **kwargs)
        if pooling_type not in POOLINGS:
            raise UserError(
                f'GlobalContext: pooling_type must be one of {POOLINGS}, got {pooling_type!r}'
            )
        if not fusions or not set(fusions) <= set(FUSIONS):
            raise UserError(
                f'GlobalContext: fusion_types must be one or both of {FUSIONS}, '
                f'got {fusion_types!r}'
            )
        if pooling_type == 'avg':
            self.maps = ()
        # MMCV multiplies and rounds down; the half keeps the product off the whole numbers.
        ratio = (hidden_channels(self, in_channels, reduction) + 0.5) / in_channels
        self.block = ContextBlock(in_channels, ratio, pooling_type, fusions)

    def reset_parameters(self) -> None:
        self.block.reset_parameters()

    def attend(self, x: Tensor) -> Tensor:
        # MMCV's views need a contiguous map; one in channels_last is copied.
        x = x.contiguous()
        if not (self.capturing and self.maps):
            return self.block(x)
        with SoftmaxRecorder() as recorder:
            y = self.block(x)
        height, width = x.shape[2:]
        self.publish(spatial=recorder.weights.view(-1, 1, height, width) * (height * width))
        return y
