"""The hook that writes the health of a run's attention beside its checkpoints."""

from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any, Optional

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from ..io import atomic_path, write_json
from ..registry import HOOKS
from .health import GradientWatch, Health, measure_health, record_start

HEALTH = 'health.json'
START = 'attention_start.pth'
MISSING = 'attention_without_gradient'


@HOOKS.register_module()
class AttentionHealthHook(Hook):
    """Measure what the attention did in a training, and write it to ``health.json`` at the end.

    The start is stored in the run's folder, and which parameters have had a gradient in its
    checkpoints, so that a resumed training is compared with its true start.

    Args:
        batches: Number of validation batches that the attention runs on at the end; in a training
            without validation, of test batches; without these, the last training batch.

    Example::

        custom_hooks = [dict(type='mmdet_spatialattn.AttentionHealthHook')]
    """

    def __init__(self, batches: int = 2) -> None:
        self.batches = batches
        self._watch: Optional[GradientWatch] = None
        self._start: Optional[dict[str, Tensor]] = None
        self._loaded: Optional[Collection[str]] = None
        self._last: Any = None

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Remember which parameters had no gradient before the checkpoint."""
        self._loaded = checkpoint.get(MISSING)

    def before_train(self, runner: Any) -> None:
        """Record the start, or find that of the training which this one resumes."""
        if not is_main_process():
            return
        model = _bare(runner.model)
        self._watch = GradientWatch(model)
        if runner.iter == 0:
            self._start = record_start(model)
            with atomic_path(Path(runner.work_dir, START)) as temporary:
                torch.save(self._start, temporary)
        else:
            self._start = _find_start(runner)
            if self._loaded is not None:
                self._watch.missing.intersection_update(self._loaded)

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Let go of the parameters that have had a gradient."""
        if self._watch is not None:
            self._watch.settle()
            if runner.val_loop is None:
                self._last = data_batch

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Note the parameters without a gradient, for a training that resumes here."""
        if self._watch is not None:
            checkpoint[MISSING] = sorted(self._watch.missing)

    def after_train(self, runner: Any) -> None:
        """Measure, and write the file."""
        if self._watch is None:
            return
        self._watch.close()
        health = self._measure(runner, self._watch.missing)
        write_json(Path(runner.work_dir, HEALTH), health.to_dict())
        runner.logger.info(f'attention: {health.verdict} {health.reason}'.rstrip())

    def _measure(self, runner: Any, missing: Collection[str]) -> Health:
        model = _bare(runner.model)
        try:
            batches = self._batches(runner)
            return measure_health(model, self._start, batches, without_gradient=missing)
        except Exception as error:  # a finished training does not fail for its diagnosis
            runner.logger.warning(f'the attention was not run on images after training: {error!r}')
            return measure_health(model, self._start, without_gradient=missing)

    def _batches(self, runner: Any) -> list[Any]:
        if runner.val_loop is not None:
            return list(islice(runner.val_loop.dataloader, self.batches))
        loader = runner.cfg.get('test_dataloader')
        if loader is None:
            return [self._last]
        alone = dict(num_workers=0, persistent_workers=False)  # workers take longer to start
        return list(islice(runner.build_dataloader({**loader, **alone}), self.batches))


def _bare(model: Any) -> nn.Module:
    return model.module if is_model_wrapper(model) else model


def _find_start(runner: Any) -> Optional[dict[str, Tensor]]:
    """Return the start that lies in the run's folder, or beside the checkpoint it resumes."""
    folders = [Path(runner.work_dir)]
    if runner._load_from:
        folders.append(Path(runner._load_from).parent)
    for folder in folders:
        if (folder / START).is_file():
            return torch.load(folder / START, map_location='cpu', weights_only=True)
    runner.logger.warning(f'no {START} in {folders[0]}: how far the attention moved is unknown')
    return None
