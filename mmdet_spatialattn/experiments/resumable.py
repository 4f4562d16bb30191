"""Training that can be interrupted: randomness is a function of the seed and of the progress.

MMEngine saves no random state, and seeds the workers alike at every start, so that a resumed run
sees other augmentations than an undisturbed one. With the data set, the hook and the batches below
(:func:`make_resumable` adds them to a config) every sample and every step has a seed of its own: on
the CPU, a run that is resumed at a checkpoint equals an undisturbed one to the bit. The cost is one
reseeding per sample and step.

The progress is counted in epochs, or in iterations where the config trains by iterations. There,
MMEngine would load again all batches that were trained on before; :class:`NumberedBatches` skips
them unloaded.
"""

import copy
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import BatchSampler, Dataset, Sampler

from ..registry import DATA_SAMPLERS, DATASETS, HOOKS


@DATASETS.register_module()
class SeededDataset(Dataset):
    """A data set whose sample ``i`` in epoch ``e`` is drawn from the seed ``(seed, e, i)``.

    In a training by iterations, :class:`NumberedBatches` asks for ``(iteration, i)``, and the
    iteration takes the place of the epoch.

    Args:
        dataset: The data set, or its config.
        seed: Seed of the run.
    """

    def __init__(self, dataset: Union[dict, BaseDataset], seed: int) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.seed = seed
        # Shared, because persistent workers keep the copy of the data set they started with.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __getitem__(self, index: Union[int, tuple[int, int]]) -> Any:
        progress, index = index if isinstance(index, tuple) else (int(self.epoch), index)
        seed_everything(self.seed, progress, int(index))
        return self.dataset[index]

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def metainfo(self) -> dict:
        """Meta information of the data set: classes, palette."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Load the annotations, where the data set loads them lazily."""
        self.dataset.full_init()

    def get_data_info(self, index: int) -> dict:
        """Return the annotations of sample ``index``."""
        return self.dataset.get_data_info(index)


@DATA_SAMPLERS.register_module()
class NumberedBatches(Sampler):
    """Batches without end whose samples carry the number of their batch, ``(number, index)``.

    Args:
        sampler: Draws the samples.
        batch_size: Number of samples in a batch.
        batch_sampler: Config of the sampler that composes the batches; ``None`` for torch's own.
        drop_last: Whether torch's own leaves out an incomplete last batch.
    """

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int,
        batch_sampler: Optional[dict] = None,
        drop_last: bool = False,
    ) -> None:
        self.sampler, self.batch_size = sampler, batch_size
        if batch_sampler is None:
            self.batches: Any = BatchSampler(sampler, batch_size, drop_last)
        else:
            parts = dict(sampler=sampler, batch_size=batch_size)
            self.batches = DATA_SAMPLERS.build(batch_sampler, default_args=parts)
        self.done = 0
        """Number of batches that are skipped, because they were trained on before."""

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for number, batch in enumerate(self._endless()):
            if number >= self.done:
                yield [(number, int(index)) for index in batch]

    def __len__(self) -> int:
        return len(self.batches)

    def _endless(self) -> Iterator[list[int]]:
        for epoch in itertools.count():
            if hasattr(self.sampler, 'set_epoch'):
                self.sampler.set_epoch(epoch)
            yield from self.batches


@HOOKS.register_module()
class ResumableRandomness(Hook):
    """Sets the epoch of a :class:`SeededDataset`, and the seed of every training step.

    In a training by iterations it lets the batches go on where the training was interrupted.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        if isinstance(loader.batch_sampler, NumberedBatches):
            loader.batch_sampler.done = runner.iter
            # MMEngine first takes as many batches as were trained on before.
            skipped = itertools.repeat(None, runner.iter)
            runner.train_loop.dataloader_iterator = itertools.chain(skipped, _started(loader))

    def before_train_epoch(self, runner: Runner) -> None:
        runner.train_dataloader.dataset.epoch.fill_(runner.epoch)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Optional[Sequence[dict]] = None
    ) -> None:
        # At each step, because starting workers draws from the generator of the main process too.
        dataset = runner.train_dataloader.dataset
        seed_everything(dataset.seed, runner.epoch, len(dataset) + batch_idx, get_rank())


def make_resumable(cfg: Config, seed: int) -> Config:
    """Return a copy of a training config whose interrupted runs end as undisturbed ones do."""
    cfg = copy.deepcopy(cfg)
    scope = DATASETS.scope
    cfg.randomness = dict(seed=seed)
    loader = cfg.train_dataloader
    loader.dataset = dict(type=f'{scope}.SeededDataset', seed=seed, dataset=loader.dataset)
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type=f'{scope}.ResumableRandomness')]
    if trains_by_iterations(cfg):
        _count_iterations(cfg)
    return cfg


def trains_by_iterations(cfg: Config) -> bool:
    """Return whether a config counts its training in iterations instead of epochs."""
    kind = cfg.train_cfg.get('type', '')
    name = kind if isinstance(kind, str) else kind.__name__
    return not cfg.train_cfg.get('by_epoch', 'Iter' not in name)


def final_checkpoint(cfg: Config) -> str:
    """Return the name of the file that MMEngine writes at the end of a training."""
    if trains_by_iterations(cfg):
        return f'iter_{cfg.train_cfg.max_iters}.pth'
    return f'epoch_{cfg.train_cfg.max_epochs}.pth'


def _count_iterations(cfg: Config) -> None:
    """Number the batches of a training by iterations, and log and save it by iterations too."""
    loader, scope = cfg.train_dataloader, DATASETS.scope
    loader.batch_sampler = dict(
        type=f'{scope}.NumberedBatches',
        batch_sampler=loader.get('batch_sampler'),
        drop_last=loader.pop('drop_last', False),
    )
    cfg.log_processor = {'type': 'LogProcessor', **cfg.get('log_processor', {}), 'by_epoch': False}
    hooks = cfg.setdefault('default_hooks', {})
    checkpoint = {'type': 'CheckpointHook', **hooks.get('checkpoint', {})}
    if checkpoint.get('by_epoch', True):
        checkpoint.update(by_epoch=False, interval=max(cfg.train_cfg.max_iters // 10, 1))
    hooks['checkpoint'] = checkpoint


def _started(loader: Any) -> Iterator[Any]:
    """Yield the batches of a loader, whose workers start with the first one."""
    yield from loader


def seed_everything(*key: int) -> None:
    """Seed ``random``, NumPy and torch from a sequence of non-negative integers."""
    state = np.random.SeedSequence(key).generate_state(3)
    random.seed(int(state[0]))
    np.random.seed(state[1])
    torch.manual_seed(int(state[2]))
