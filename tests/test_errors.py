"""Errors for a user's mistakes keep their type and their message wherever they pass."""

import pickle

import pytest
from mmengine.registry import Registry
from torch.utils.data import DataLoader, Dataset

from mmdet_spatialattn.errors import (
    MissingExtra,
    MissingFile,
    UserError,
    cannot_read,
    error_prefix,
    require,
)

KINDS = (UserError, MissingExtra, MissingFile)


def test_they_are_what_callers_expect():
    assert not issubclass(UserError, ValueError)
    assert issubclass(MissingExtra, ImportError) and issubclass(MissingExtra, UserError)
    assert issubclass(MissingFile, FileNotFoundError) and issubclass(MissingFile, UserError)


@pytest.mark.parametrize('kind', KINDS)
def test_they_survive_mmengines_registry(kind):
    registry = Registry('part')

    @registry.register_module()
    class Broken:
        def __init__(self):
            raise kind('give another depth')

    with pytest.raises(kind, match=r'^(class .*: )?give another depth$') as error:
        registry.build(dict(type='Broken'))
    assert type(error.value) is kind


class BrokenDataset(Dataset):
    """A dataset whose samples raise an error in the worker that loads them."""

    def __init__(self, kind):
        self.kind = kind

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise self.kind('the image a.png is gone')


@pytest.mark.parametrize('kind', KINDS)
def test_they_survive_the_worker_of_a_data_loader(kind):
    with pytest.raises(kind, match='the image a.png is gone'):
        next(iter(DataLoader(BrokenDataset(kind), num_workers=1)))


@pytest.mark.parametrize('kind', KINDS)
def test_they_survive_pickling_and_a_prefix(kind):
    error = pickle.loads(pickle.dumps(kind('no such thing')))
    assert type(error) is kind and str(error) == 'no such thing'
    with pytest.raises(kind, match=r"^arm 'wide': no such thing$"), error_prefix("arm 'wide'"):
        raise error


def test_other_errors_get_no_prefix():
    with pytest.raises(ValueError, match=r'^three$'), error_prefix("arm 'wide'"):
        raise ValueError('three')


def test_only_an_absent_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        (tmp_path / 'absent').read_text()
    assert isinstance(cannot_read('absent', error.value), MissingFile)
    assert type(cannot_read('a', PermissionError(13, 'Permission denied'))) is UserError


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(MissingExtra, match=r"needs absent_package: pip install '.*\[demo\]'"):
        require('absent_package.module', 'demo')
