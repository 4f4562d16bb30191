"""A training that was interrupted and resumed ends like an undisturbed one, to the bit."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn

from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.resumable import SeededDataset, make_resumable


@DATASETS.register_module(name='SeededNoise')
class Noise(BaseDataset):
    """Eight samples, each drawn anew from every generator that augmentations use."""

    def load_data_list(self):
        return [dict(value=float(i)) for i in range(8)]

    def prepare_data(self, idx):
        return torch.tensor(
            [np.random.rand(), torch.rand(()).item(), self.get_data_info(idx)['value']]
        )


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


def train(work_dir, epochs, num_workers=0, persistent=False, resume=False, seed=3):
    cfg = Config(
        dict(
            model=dict(type='SeededToy'),
            work_dir=str(work_dir),
            train_dataloader=dict(
                batch_size=2,
                num_workers=num_workers,
                persistent_workers=persistent,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dict(type='SeededNoise'),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
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


def test_training_by_iterations_is_refused():
    cfg = Config(dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=9)))
    with pytest.raises(UserError, match='epochs'):
        make_resumable(cfg, 0)
