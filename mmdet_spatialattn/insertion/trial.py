"""A few training steps of a copy on random data, to see which attention can learn."""

import contextlib
import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..attention.initialisation import loads_pretrained, own_random_stream
from ..compat.quiet import quiet
from .health import GradientWatch, ModuleHealth, module_parameters
from .sites import attention_sites

Loss = Callable[[nn.Module], Tensor]

STEPS = 5
"""A zero at the end of a branch, alpha and the module itself learn one after the other."""

IMAGES = ((2, 128), (2, 320), (1, 640))
"""Numbers and sides of the images that a detector is tried on. Some detectors fail on small images,
and there the loss of some does not reach every level of a pyramid, whose anchors do not fit."""


def try_learning(model: nn.Module, losses: Sequence[Loss]) -> dict[str, ModuleHealth]:
    """Return by path what a few training steps of a copy tell of each attention module.

    The copy is initialised as for a training, but no checkpoint is loaded. ``model`` and the
    default random stream stay as they are.

    Args:
        model: The model.
        losses: Each gives the loss of a model on random data. The first one that does not fail is
            used, and the last one for the modules that this one does not reach.

    Raises:
        Exception: What the last loss raises, when all of them fail.
    """
    with own_random_stream('trial'), quiet():
        trial = _Trial(model)
        used = _train_on_first(trial, losses)
        if trial.unreached and used is not losses[-1]:
            with contextlib.suppress(Exception):  # then those modules were not reached
                trial.train(losses[-1])
    return {
        path: ModuleHealth(path, **module_parameters(path, site.module, trial.watch.missing))
        for path, site in trial.sites.items()
    }


def _train_on_first(trial: '_Trial', losses: Sequence[Loss]) -> Loss:
    """Train with the first loss that does not fail, and return it."""
    failure: Optional[Exception] = None
    for loss in losses:
        try:
            trial.train(loss)
            return loss
        except Exception as error:
            failure = error
    raise failure or ValueError('no loss was given')


class _Trial:
    """A copy of a model, what of its attention had a gradient, and what its loss did not reach."""

    def __init__(self, model: nn.Module) -> None:
        self.model = _initialised_copy(model)
        self.sites = attention_sites(self.model)
        self.watch = GradientWatch(self.model)
        self.unreached = set(self.sites)
        for path, site in self.sites.items():
            site.module.register_forward_hook(partial(self._watch_output, path))

    def train(self, loss: Loss) -> None:
        """Take up to STEPS steps, until the modules that the loss reaches have had gradients."""
        optimiser = torch.optim.SGD(self.model.parameters(), lr=0.1)
        for _ in range(STEPS):
            optimiser.zero_grad()
            loss(self.model).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimiser.step()
            unreached = tuple(f'{path}.' for path in self.unreached)
            if all(name.startswith(unreached) for name in self.watch.missing):
                return

    def _watch_output(self, path: str, module: nn.Module, args: tuple, output: Tensor) -> None:
        def note(gradient: Tensor) -> None:
            if path in self.unreached and gradient.any():
                self.unreached.discard(path)

        if output.requires_grad:
            output.register_hook(note)


def detector_losses() -> list[Loss]:
    """Return the losses of an MMDetection detector on random images and boxes, by size."""
    return [partial(_detector_loss, number=number, side=side) for number, side in IMAGES]


def _detector_loss(detector: Any, number: int, side: int) -> Tensor:
    try:
        return _loss_on_images(detector, number, side, with_mask=False)
    except Exception:  # of a detector that needs masks
        return _loss_on_images(detector, number, side, with_mask=True)


def _loss_on_images(detector: Any, number: int, side: int, with_mask: bool) -> Tensor:
    from mmdet.testing import demo_mm_inputs

    batch = demo_mm_inputs(number, (3, side, side), with_mask=with_mask)
    for sample in batch['data_samples']:
        sample.gt_instances.labels.zero_()  # a class that every detector has
    losses = detector(**detector.data_preprocessor(batch, False), mode='loss')
    return detector.parse_losses(losses)[0]


def _initialised_copy(model: nn.Module) -> Any:
    copied: Any = copy.deepcopy(model)
    for part in copied.modules():
        if loads_pretrained(part):
            part.init_cfg = None
    if getattr(copied, 'is_init', True) is False:
        copied.init_weights()
    copied.train()
    return copied
