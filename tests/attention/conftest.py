"""Keep the host's log of every initialised parameter out of the tests' output."""

import pytest
from mmengine.logging import MMLogger


@pytest.fixture(scope='session', autouse=True)
def _quiet() -> None:
    MMLogger.get_current_instance().setLevel('WARNING')
