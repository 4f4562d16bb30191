"""A run goes on from the newest of its checkpoints that is whole, its own, and made of numbers."""

import math
import re

import pytest
import torch
from mmengine.structures import BaseDataElement

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.checkpoints import (
    RUN,
    check_training_state,
    resumable_checkpoint,
    run_identity,
)
from mmdet_spatialattn.experiments.fingerprint import FINGERPRINT
from mmdet_spatialattn.experiments.guards import SignCheckpoints, StopOnNaN
from mmdet_spatialattn.io import write_json


def state(epoch=1, weight=1.0, **meta):
    return {
        'meta': {'epoch': epoch, 'iter': 10 * epoch, **meta},
        'state_dict': {'w': torch.full((2,), weight)},
        'message_hub': {},
        'param_schedulers': [{'last_step': 3}],
    }


@pytest.fixture
def folder(tmp_path):
    """The folder of a run that has written two checkpoints."""
    write_json(tmp_path / FINGERPRINT, {'seed': '0'})
    for epoch in (1, 2):
        torch.save(state(epoch), tmp_path / f'epoch_{epoch}.pth')
    return tmp_path


def test_the_newest_is_taken_whatever_the_note_says(folder):
    (folder / 'last_checkpoint').write_text('/of/another/sweep/epoch_9.pth')
    torch.save(state(10), folder / 'epoch_10.pth')
    torch.save(state(99), folder / 'best_epoch_99.pth')
    notes = []
    assert resumable_checkpoint(folder, notes.append) == folder / 'epoch_10.pth'
    assert notes == []


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'is empty'),
        (b'PK half', 'is damaged or not a checkpoint'),
        (state(3, math.nan), r"holds weights that are no finite numbers \('w'\)"),
        (state(3, math.inf), 'no finite numbers'),
        (state(3, **{RUN: 'of another'}), 'was written by another run'),
        (state(-1), 'expected a number from 0 as epoch of its meta data, got -1'),
        (state(3, iter='x'), "a number from 0 as iter of its meta data, got 'x'"),
        ({'state_dict': {}}, 'holds weights but not the state of a training'),
        ({**state(3), 'meta': [1]}, "expected dictionaries as 'meta' and 'state_dict'"),
        ({**state(3), 'param_schedulers': 3}, "expected lists of states as 'param_schedulers'"),
        ({**state(3), 'param_schedulers': [3]}, 'the state of a scheduler is a int'),
        ({**state(3), 'param_schedulers': [{'step': 1}]}, "a scheduler holds 'step', a method"),
    ],
)
def test_one_that_cannot_be_used_falls_back_to_the_one_before(folder, content, reason):
    path, notes = folder / 'epoch_3.pth', []
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    assert resumable_checkpoint(folder, notes.append) == folder / 'epoch_2.pth'
    (note,) = notes
    assert note.endswith(': passed by')
    assert re.search(reason, note)


def test_without_a_usable_one_the_run_begins_anew(folder):
    for path in folder.glob('*.pth'):
        path.write_bytes(b'x')
    assert resumable_checkpoint(folder, lambda note: None) is None
    assert resumable_checkpoint(folder / 'absent', lambda note: None) is None


def test_a_checkpoint_says_whose_it_is(folder):
    class Runner:
        work_dir = str(folder)

    signed = state()
    SignCheckpoints().before_save_checkpoint(Runner(), signed)
    assert signed['meta'][RUN] == run_identity(folder) != ''
    check_training_state(signed, 'a.pth', run_identity(folder))
    with pytest.raises(UserError, match='a.pth was written by another run'):
        check_training_state(signed, 'a.pth', 'another')
    unsigned = state()
    Runner.work_dir = str(folder / 'absent')
    SignCheckpoints().before_save_checkpoint(Runner(), unsigned)
    assert RUN not in unsigned['meta']
    check_training_state(unsigned, 'a.pth', 'any')


def test_a_loss_that_is_no_number_stops_with_the_images_of_the_batch():
    class Runner:
        iter = 41

    batch = {'data_samples': [BaseDataElement(metainfo={'img_id': i}) for i in (7, 'b')]}
    hook = StopOnNaN()
    for loss in (0.5, math.inf):  # an infinite one may be clipped
        hook.after_train_iter(Runner(), 0, batch, {'loss': torch.tensor(loss)})
    hook.after_train_iter(Runner(), 0, batch, {})
    with pytest.raises(
        UserError, match='loss of step 42 is not a number; .* batch: 7, b. A smaller'
    ):
        hook.after_train_iter(Runner(), 0, batch, {'loss': torch.tensor(math.nan)})
