"""The record of a run, ``run.json`` in its folder: how it ended, and in which environment."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Optional

from ..insertion.health_hook import HEALTH
from ..io import read_json, write_json
from ..results import Environment, Run, RunHealth
from ..results.base import PREFIX, VERSION
from ..results.sweep import FINISHED
from .environment import environment

RECORD, ENVIRONMENT = 'run.json', 'environment.json'


def write_record(run: Run, folder: Path, state: str, device: str = 'cpu') -> None:
    """Record how a run ended; a finished one with its attention's health and this environment.

    Args:
        run: The run.
        folder: Folder of the sweep.
        state: ``'finished'`` or ``'failed'``.
        device: ``'cuda'`` or ``'cpu'``, where it ran.
    """
    if state == FINISHED:
        run = replace(
            run, environment=_environment(run, folder, device), health=_health(run, folder)
        )
    replace(run, state=state).to_json(_path(run, folder))


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


def write_environment(folder: Path, device: str) -> None:
    """Note in the folder of a run the environment of this machine, where it is executed."""
    write_json(folder / ENVIRONMENT, asdict(environment(device)))


def _environment(run: Run, folder: Path, device: str) -> Environment:
    """Return the environment of the machine where a run was executed; by default this one."""
    path = folder / run.name / ENVIRONMENT
    return Environment(**read_json(path)) if path.is_file() else environment(device)


def _health(run: Run, folder: Path) -> Optional[RunHealth]:
    """Return what the training of a run wrote of its attention."""
    path = folder / run.name / HEALTH
    if not path.is_file():
        return None
    return RunHealth.from_dict(read_json(path).get('summary'), source=str(path))


def _path(run: Run, folder: Path) -> Path:
    return folder / run.name / RECORD
