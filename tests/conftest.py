"""What all tests share: the repository's root, the real data sets, one thread."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytest_plugins = ['tests.browser']
os.environ.pop('COLUMNS', None)  # pytest-xdist sets 80, at which tables fold


@pytest.fixture(scope='session')
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The folder of real data sets beside the checkout."""
    folder = ROOT.parent / 'shared' / 'data'
    if not folder.is_dir():
        pytest.skip(f'needs the data sets in {folder}')
    return folder


@pytest.fixture(autouse=True)
def default_scope():
    """Leave MMEngine's default scope as it was: a Runner sets it for the whole process."""
    from mmengine.registry import DefaultScope

    before = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(before)
