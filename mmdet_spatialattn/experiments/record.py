"""The record of a run, ``run.json`` in its folder: how it ended, and in which environment."""

from dataclasses import replace
from pathlib import Path

from ..io import read_json
from ..results import Run
from ..results.base import PREFIX, VERSION
from ..results.sweep import FINISHED
from .environment import environment

RECORD = 'run.json'


def write_record(run: Run, folder: Path, state: str, device: str = 'cpu') -> None:
    """Record how a run ended; a finished run gets the environment of this process.

    Args:
        run: The run.
        folder: Folder of the sweep.
        state: ``'finished'`` or ``'failed'``.
        device: ``'cuda'`` or ``'cpu'``, where it ran.
    """
    known = environment(device) if state == FINISHED else None
    replace(run, state=state, environment=known).to_json(_path(run, folder))


def read_record(run: Run, folder: Path) -> Run:
    """Return a planned run as its record has it; without a record it is as it was planned.

    Raises:
        UserError: The record is damaged.
    """
    path = _path(run, folder)
    if not path.is_file():
        return run
    record = read_json(path)
    if isinstance(record, dict) and 'format' not in record:
        # Version 1 wrote finished runs without format and version; the fields are the same.
        record = {'format': f'{PREFIX} {Run.FORMAT}', 'version': VERSION, **record}
    return Run.from_dict(record, source=str(path))


def delete_record(run: Run, folder: Path) -> None:
    """Delete the record of a run that starts again."""
    _path(run, folder).unlink(missing_ok=True)


def _path(run: Run, folder: Path) -> Path:
    return folder / run.name / RECORD
