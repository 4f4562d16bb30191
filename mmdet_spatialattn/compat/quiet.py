"""Building without a word: MMEngine's log and pycocotools' prints say things when a run begins."""

import contextlib
import io
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep MMEngine's log below errors, and standard output, to themselves within a block."""
    from mmengine.logging import MMLogger

    log = MMLogger.get_current_instance()
    level = log.level
    log.setLevel('ERROR')
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        log.setLevel(level)
