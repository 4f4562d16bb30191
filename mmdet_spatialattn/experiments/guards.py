"""Hooks that guard a run: its loss stays a number, and its checkpoints say whose they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..errors import UserError
from ..registry import HOOKS
from .checkpoints import RUN, run_identity


@HOOKS.register_module()
class StopOnNaN(Hook):
    """Stop a training whose loss is not a number, and name the images of the batch."""

    priority = 'VERY_LOW'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[Mapping[str, Any]] = None,
    ) -> None:
        loss = torch.as_tensor((outputs or {}).get('loss', 0.0))
        if not torch.isnan(loss).any():
            return
        samples = data_batch.get('data_samples', []) if isinstance(data_batch, dict) else []
        images = [str(getattr(sample, 'img_id', '?')) for sample in samples]
        raise UserError(
            f'the loss of step {runner.iter + 1} is not a number; the images of the batch: '
            f'{", ".join(images) or "unknown"}. A smaller learning rate, '
            'optim_wrapper.clip_grad, or boxes without width or height are the usual causes'
        )


@HOOKS.register_module()
class SignCheckpoints(Hook):
    """Write into every checkpoint which run it belongs to."""

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        identity = run_identity(Path(runner.work_dir))
        if identity:
            checkpoint['meta'][RUN] = identity
