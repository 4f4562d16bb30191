"""Pickles of predictions come back as they were written, and hostile ones run nothing."""

import io
import pickle
import random
import re

import numpy as np
import pytest
import torch
from mmengine.fileio import dump

from mmdet_spatialattn.compat import predictions
from mmdet_spatialattn.compat.predictions import load_predictions
from mmdet_spatialattn.errors import MissingFile, UserError
from tests.compat.test_checkpoint import CRAFTED, Runs, bytes_of


@pytest.fixture
def samples() -> list:
    """What ``DumpDetResults`` writes, for an image with detections and one without."""
    found = dict(
        bboxes=torch.tensor([[1.5, 2, 3, 4], [0, 0, 9, 9]]),
        scores=torch.tensor([0.9, 0.1]),
        labels=torch.tensor([1, 0]),
        masks=[dict(size=[4, 4], counts=b'\x01:2'), dict(size=[4, 4], counts=b'')],
    )
    nothing = dict(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0).long())
    meta = dict(ori_shape=(4, 4), scale_factor=(0.5, 0.5), homography=np.eye(3), flip=False)
    return [
        dict(img_id=7, img_path='a.png', pred_instances=found, **meta),
        dict(img_id='x', img_path='b.png', pred_instances=nothing, **meta),
    ]


def test_predictions_come_back_as_they_were_written(samples, tmp_path):
    dump(samples, str(tmp_path / 'a.pkl'))
    loaded = load_predictions(tmp_path / 'a.pkl')
    for sample, expected in zip(loaded, samples):
        instances = expected.pop('pred_instances')
        assert sample.pop('pred_instances').get('masks') == instances.get('masks')
        assert sample.pop('homography').tolist() == expected.pop('homography').tolist()
        assert sample == expected


def test_tensors_come_back_to_the_bit(tmp_path):
    tensors = [torch.randn(3, 4), torch.arange(6).reshape(2, 3).T, torch.tensor([True, False])]
    tensors += [torch.randn(5).double(), torch.zeros(0, 4), torch.arange(10.0)[4:6]]
    dump(tensors, str(tmp_path / 'a.pkl'))
    for loaded, tensor in zip(load_predictions(tmp_path / 'a.pkl'), tensors):
        assert loaded.dtype == tensor.dtype and torch.equal(loaded, tensor)


def storage_of(content) -> Runs:
    """A pickle that reads something else as the storage of a tensor."""
    data = io.BytesIO()
    torch.save(content, data, _use_new_zipfile_serialization=False)
    return Runs(torch.storage._load_from_bytes, data.getvalue())


@pytest.mark.parametrize('place', ['alone', 'in an image', 'in a tensor'])
def test_a_call_in_a_pickle_is_named_and_not_made(samples, tmp_path, place):
    marker = tmp_path / 'marker'
    content = Runs(exec, f'open({str(marker)!r}, "w").close()')
    if place == 'in an image':
        samples[0]['pred_instances']['x'] = content
        content = samples
    elif place == 'in a tensor':
        content = storage_of(content)
    path = tmp_path / 'a.pkl'
    dump(content, str(path))
    pickle.loads(path.read_bytes())
    assert marker.exists(), 'the file does nothing, so this test would prove nothing'
    marker.unlink()
    message = r'a\.pkl needs types .*exec; nothing in it was executed\. Write .* --out-json FILE'
    with pytest.raises(UserError, match=message):
        load_predictions(path)
    assert not marker.exists()


@pytest.mark.parametrize('content', [dict(a=1), storage_of([1.0]), torch.ones(2)])
def test_a_tensor_whose_numbers_are_something_else_is_refused(content, tmp_path):
    dump(storage_of(content), str(tmp_path / 'a.pkl'))
    with pytest.raises(UserError, match=r'needs types .*torch\.storage\._load_from_bytes\('):
        load_predictions(tmp_path / 'a.pkl')


@pytest.mark.parametrize('name', CRAFTED)
def test_a_crafted_pickle_is_refused(name, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr('os.system', ran.append)
    path = tmp_path / 'a.pkl'
    path.write_bytes(b'\x80\x02' + CRAFTED[name] + b'.')
    with pytest.raises(UserError, match=r'a\.pkl (needs types|is damaged)') as refusal:
        load_predictions(path)
    assert '\n' not in str(refusal.value)
    assert not ran


def test_the_stand_in_for_storages_is_not_listed_for_checkpoints(tmp_path):
    from mmdet_spatialattn.compat.checkpoint import load_checkpoint
    from tests.compat.test_checkpoint import save_pickle

    data = b'\x80\x02ctorch.storage\n_load_from_bytes\n(' + bytes_of('x') + b'tR.'
    with pytest.raises(UserError, match='needs types .*_load_from_bytes'):
        load_checkpoint(save_pickle(data, tmp_path / 'a.pth'))


def test_a_damaged_file_is_a_clear_error_or_loads(samples, tmp_path):
    path = tmp_path / 'a.pkl'
    dump(samples, str(path))
    whole, rng, refused = path.read_bytes(), random.Random(0), 0
    for i in range(100):
        data = bytearray(whole)
        if i % 3 == 0:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.choice([1, 2, 8])):
            data[rng.randrange(max(len(data), 1)) % max(len(data), 1)] = rng.randrange(256)
        path.write_bytes(data)
        try:
            load_predictions(path)
        except UserError as error:
            refused += 1
            assert re.search(r'a\.pkl (needs types|is damaged)', str(error))
            assert '\n' not in str(error)
    assert refused > 50


def test_files_that_cannot_be_read_are_one_message(tmp_path, monkeypatch):
    path = tmp_path / 'a.pkl'
    with pytest.raises(MissingFile, match=r'cannot read .*a\.pkl: No such file'):
        load_predictions(path)
    path.write_bytes(pickle.dumps([1], 4))
    with pytest.raises(UserError, match='not a pickle of predictions .*another pickle protocol'):
        load_predictions(path)
    path.write_bytes(b'[{"image_id": 1}]')
    with pytest.raises(UserError, match=r'a\.pkl is damaged or not a pickle of predictions'):
        load_predictions(path)
    monkeypatch.setattr(predictions, 'is_protected', lambda: False)
    with pytest.raises(UserError, match=r'only read with torch 2\.6 or later.*--out-json FILE'):
        load_predictions(path)
