"""A training that was interrupted and resumed ends like an undisturbed one, to the bit."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, DefaultSampler
from mmengine.model import BaseModel
from mmengine.registry import DATA_SAMPLERS, DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import BatchSampler

from mmdet_spatialattn.experiments.resumable import (
    NumberedBatches,
    SeededDataset,
    final_checkpoint,
    make_resumable,
)


@DATASETS.register_module(name='SeededNoise')
class Noise(BaseDataset):
    """Eight samples, each drawn anew from every generator that augmentations use."""

    def load_data_list(self):
        return [dict(value=float(i)) for i in range(8)]

    def prepare_data(self, idx):
        return torch.tensor(
            [np.random.rand(), torch.rand(()).item(), self.get_data_info(idx)['value']]
        )


@DATA_SAMPLERS.register_module()
class BackwardBatches(BatchSampler):
    """Whole batches, each in reverse."""

    def __init__(self, sampler, batch_size):
        super().__init__(sampler, batch_size, drop_last=True)

    def __iter__(self):
        return (batch[::-1] for batch in super().__iter__())


@MODELS.register_module(name='SeededToy')
class Toy(BaseModel):
    """A model with randomness of its own."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 1)
        self.seen = []

    def forward(self, inputs, mode='tensor'):
        x = torch.stack(list(inputs))
        self.seen.append(x)
        return dict(loss=(self.fc(nn.functional.dropout(x)) ** 2).mean())

    def train_step(self, data, optim_wrapper):
        loss = self(data)['loss']
        optim_wrapper.update_params(loss)
        return dict(loss=loss)


def train(
    work_dir,
    epochs,
    num_workers=0,
    persistent=False,
    resume=False,
    seed=3,
    loop=None,
    sampler='DefaultSampler',
):
    loop = loop or dict(by_epoch=True, max_epochs=epochs)
    cfg = Config(
        dict(
            model=dict(type='SeededToy'),
            work_dir=str(work_dir),
            train_dataloader=dict(
                batch_size=2,
                num_workers=num_workers,
                persistent_workers=persistent,
                sampler=dict(type=sampler, shuffle=True),
                dataset=dict(type='SeededNoise'),
            ),
            train_cfg=loop,
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.001, momentum=0.9)),
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', interval=1),
                sampler_seed=dict(type='DistSamplerSeedHook'),
            ),
            default_scope=None,
            experiment_name=f'{work_dir.name}_{epochs}_{resume}',
            log_level='ERROR',
            resume=resume,
        )
    )
    runner = Runner.from_cfg(make_resumable(cfg, seed))
    runner.train()
    return runner.model


@pytest.mark.parametrize(
    ('num_workers', 'persistent'), [(0, False), (2, False), (2, True)], ids=str
)
def test_a_resumed_training_equals_an_undisturbed_one(tmp_path, num_workers, persistent):
    whole = train(tmp_path / 'whole', 3, num_workers, persistent)
    train(tmp_path / 'halves', 1, num_workers, persistent)
    rest = train(tmp_path / 'halves', 3, num_workers, persistent, resume=True)
    assert torch.equal(torch.stack(whole.seen[4:]), torch.stack(rest.seen))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name


def test_every_epoch_draws_new_samples(tmp_path):
    seen = torch.cat(train(tmp_path, 2, num_workers=2).seen)  # (16, 3)
    assert len(seen[:, 0].unique()) == 16
    assert len(seen[:, 1].unique()) == 16


def test_another_seed_draws_other_samples(tmp_path):
    first = torch.cat(train(tmp_path / 'a', 1, seed=0).seen)
    second = torch.cat(train(tmp_path / 'b', 1, seed=1).seen)
    assert not set(first[:, 0].tolist()) & set(second[:, 0].tolist())


def test_a_sample_does_not_depend_on_what_was_drawn_before():
    dataset = SeededDataset(Noise(), seed=0)
    third = dataset[3]
    dataset[5]
    np.random.rand(7)
    assert torch.equal(dataset[3], third)


def iterations(work_dir, number, sampler='InfiniteSampler', num_workers=0, **options):
    """Train by iterations; four make an epoch."""
    loop = dict(type='IterBasedTrainLoop', max_iters=number)
    return train(work_dir, number, num_workers, loop=loop, sampler=sampler, **options)


@pytest.mark.parametrize(
    ('sampler', 'num_workers', 'persistent'),
    [('InfiniteSampler', 0, False), ('DefaultSampler', 2, False), ('DefaultSampler', 2, True)],
)
def test_a_training_by_iterations_resumes_to_the_bit(tmp_path, sampler, num_workers, persistent):
    """It is interrupted within its second epoch, and loads nothing twice."""
    options = dict(sampler=sampler, num_workers=num_workers, persistent=persistent)
    whole = iterations(tmp_path / 'whole', 11, **options)
    iterations(tmp_path / 'parts', 6, **options)
    rest = iterations(tmp_path / 'parts', 11, resume=True, **options)
    assert len(rest.seen) == 5
    assert torch.equal(torch.stack(whole.seen[6:]), torch.stack(rest.seen))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name


def test_every_iteration_draws_new_samples(tmp_path):
    seen = torch.cat(iterations(tmp_path, 9, sampler='DefaultSampler').seen)  # (18, 3)
    assert len(seen[:, 0].unique()) == 18
    for epoch in (seen[:8], seen[8:16]):
        assert sorted(epoch[:, 2].tolist()) == list(range(8))
    assert seen[:8, 2].tolist() != seen[8:16, 2].tolist()  # in another order


def test_batches_are_composed_as_the_config_says():
    sampler = DefaultSampler(Noise(), shuffle=False)
    batches = NumberedBatches(sampler, 3, dict(type='BackwardBatches'))
    assert list(itertools.islice(batches, 3)) == [
        [(0, 2), (0, 1), (0, 0)],
        [(1, 5), (1, 4), (1, 3)],
        [(2, 2), (2, 1), (2, 0)],
    ]
    batches.done = 2
    assert next(iter(batches)) == [(2, 2), (2, 1), (2, 0)]


def test_a_config_by_iterations_is_saved_and_logged_by_iterations():
    def config(**hook):
        return Config(
            dict(
                train_cfg=dict(type='IterBasedTrainLoop', max_iters=500),
                train_dataloader=dict(dataset=dict(type='SeededNoise'), batch_size=2),
                default_hooks=dict(checkpoint=hook),
            )
        )

    cfg = make_resumable(config(type='CheckpointHook', interval=1), 0)
    checkpoint = cfg.default_hooks.checkpoint
    assert (checkpoint.by_epoch, checkpoint.interval) == (False, 50)
    assert cfg.log_processor.by_epoch is False
    assert final_checkpoint(cfg) == 'iter_500.pth'
    cfg = make_resumable(config(type='CheckpointHook', by_epoch=False, interval=200), 0)
    assert cfg.default_hooks.checkpoint.interval == 200
