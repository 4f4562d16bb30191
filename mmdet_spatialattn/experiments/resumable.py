"""Training that can be interrupted: randomness is a function of seed, epoch and index.

MMEngine saves no random state, and seeds the workers alike at every start, so that a resumed run
sees other augmentations than an undisturbed one. With the data set and the hook below
(:func:`make_resumable` adds them to a config) every sample and every step has a seed of its own: on
the CPU, a run that is resumed at the end of an epoch equals an undisturbed one to the bit. The cost
is one reseeding per sample and step.
"""

import copy
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ..errors import UserError
from ..registry import DATASETS, HOOKS


@DATASETS.register_module()
class SeededDataset(Dataset):
    """A data set whose sample ``i`` in epoch ``e`` is drawn from the seed ``(seed, e, i)``.

    Args:
        dataset: The data set, or its config.
        seed: Seed of the run.
    """

    def __init__(self, dataset: Union[dict, BaseDataset], seed: int) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.seed = seed
        # Shared, because persistent workers keep the copy of the data set they started with.
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __getitem__(self, index: int) -> Any:
        seed_everything(self.seed, int(self.epoch), int(index))
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


@HOOKS.register_module()
class ResumableRandomness(Hook):
    """Sets the epoch of a :class:`SeededDataset`, and the seed of every training step."""

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        runner.train_dataloader.dataset.epoch.fill_(runner.epoch)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Optional[Sequence[dict]] = None
    ) -> None:
        # At each step, because starting workers draws from the generator of the main process too.
        dataset = runner.train_dataloader.dataset
        seed_everything(dataset.seed, runner.epoch, len(dataset) + batch_idx, get_rank())


def make_resumable(cfg: Config, seed: int) -> Config:
    """Return a copy of a training config whose interrupted runs end as undisturbed ones do.

    Raises:
        UserError: The config trains by iterations instead of epochs.
    """
    cfg = copy.deepcopy(cfg)
    if not cfg.train_cfg.get('by_epoch', 'Iter' not in cfg.train_cfg.get('type', '')):
        raise UserError(
            'the config trains by iterations, and only a training by epochs can be resumed: set '
            "train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=...)"
        )
    scope = DATASETS.scope
    cfg.randomness = dict(seed=seed)
    loader = cfg.train_dataloader
    loader.dataset = dict(type=f'{scope}.SeededDataset', seed=seed, dataset=loader.dataset)
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type=f'{scope}.ResumableRandomness')]
    return cfg


def last_checkpoint(folder: Path) -> Optional[Path]:
    """Return the last checkpoint of the training in a folder; it may have been deleted.

    MMEngine notes the path at which it was written, and the folder may have been moved since.
    ``None`` where none was written.
    """
    note = folder / 'last_checkpoint'
    if not note.is_file():
        return None
    noted = Path(note.read_text(encoding='utf-8').strip())
    moved = folder / noted.name
    return moved if moved.is_file() else noted


def seed_everything(*key: int) -> None:
    """Seed ``random``, NumPy and torch from a sequence of non-negative integers."""
    state = np.random.SeedSequence(key).generate_state(3)
    random.seed(int(state[0]))
    np.random.seed(state[1])
    torch.manual_seed(int(state[2]))
