"""MMEngine and pycocotools without the output that nobody can act on."""

import contextlib
import io
import logging
from collections.abc import Iterator

NOISE = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias')
"""Beginnings of warnings with which MMEngine's own hooks warn of MMEngine's own code."""


def is_useful(record: logging.LogRecord) -> bool:
    """Return whether a user can act on a record; as a filter of a logger, drop the others."""
    return not record.getMessage().startswith(NOISE)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress MMEngine's log, but for errors, and standard output within the block."""
    from mmengine.logging import MMLogger

    log = MMLogger.get_current_instance()
    level = log.level
    log.setLevel('ERROR')
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        log.setLevel(level)
