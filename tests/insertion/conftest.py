"""Keep the host's log of every initialised parameter out of the tests' output."""

import pytest
from mmengine.logging import MMLogger

import mmdet_spatialattn  # before mmdet.models: makes the host usable

assert mmdet_spatialattn.__version__


@pytest.fixture(scope='session', autouse=True)
def _quiet() -> None:
    MMLogger.get_current_instance().setLevel('WARNING')
