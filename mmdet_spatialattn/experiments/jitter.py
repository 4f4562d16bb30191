"""The placebo: a start that differs from the baseline's by next to nothing."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..registry import HOOKS


@HOOKS.register_module()
class JitterWeights(Hook):
    """Multiply every parameter by ``1 + scale * noise`` before the first step of a training.

    A placebo arm trained from such a start shows how far two runs drift apart that share their seed
    and differ by nothing that matters: the noise that pairing by seed leaves.

    Args:
        scale: Relative size of the normal noise.
        seed: Seed of the noise; it leaves other random numbers alone.
    """

    def __init__(self, scale: float, seed: int) -> None:
        self.scale, self.seed = scale, seed

    def before_train(self, runner: Runner) -> None:
        if runner.iter > 0:  # resumed: the weights were jittered before
            return
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for parameter in runner.model.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.mul_(1 + self.scale * noise.to(parameter))
