"""Train and test runs, several at once, so that what was interrupted goes on.

A run has a folder of its own, in which it leaves::

    planned/config.py      the whole config, so that anybody can repeat the run with it
    config.py              the same as MMEngine leaves it, with what the last command changed
    log.txt                what its commands printed
    epoch_<n>.pth          checkpoints; the last two are kept
    detections.bbox.json   detections on the test set, in COCO's format
    run.json               written last: the run is finished, and with what
"""

import contextlib
import copy
import functools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from mmengine.config import Config

from ..datasets.root import move_data_root
from ..errors import UserError
from ..io import atomic_path, write_json
from ..processors import count_processors
from .environment import environment
from .plan import Run
from .resumable import make_resumable

FINISHED = 'run.json'
PLANNED = Path('planned', 'config.py')  # MMEngine writes its own config.py into the run's folder
LOG = 'log.txt'
_PROGRESS = re.compile(rb'Epoch\((train|test)\)\s+(?:\[(\d+)\])?\[\s*(\d+)/(\d+)\]')
_TRAINING = 0.95  # its share of a run
_LOSS = re.compile(rb'loss: ([\d.]+|nan|inf)')


@dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes:
        run: The run.
        phase: ``'waiting'``, ``'training'``, ``'testing'``, ``'finished'`` or ``'failed'``.
        share: Done of the whole run, 0 to 1.
        epoch: The epoch in training, from 1; 0 before it begins.
        loss: The last loss printed.
    """

    run: Run
    phase: str
    share: float = 0.0
    epoch: int = 0
    loss: Optional[float] = None


def launch(
    runs: Sequence[Run],
    folder: Path,
    overrides: Mapping[str, Any] = {},
    jobs: int = 1,
    watch: Callable[[list[State]], None] = lambda states: None,
    period: float = 0.5,
) -> list[State]:
    """Train and test the runs that are not finished, ``jobs`` at a time.

    An interrupted run goes on from its last checkpoint, and ends as if undisturbed. A failed run
    does not stop the others. On an exception (Ctrl-C) all processes end before it is passed on.

    Args:
        runs: The runs; each has the folder ``<arm>/seed_<k>`` below ``folder``.
        folder: Folder of the plan.
        overrides: Changes of every arm's config, below the arm's own.
        jobs: How many processes at once; they divide the cores.
        watch: Called with the states of all runs every ``period`` seconds.
        period: Seconds.

    Returns:
        The last state of every run: ``'finished'`` or ``'failed'``.

    Raises:
        UserError: A config cannot be built, or the folder holds a run with another config.
    """
    work = [_Work(run, folder / run.name, overrides) for run in runs]
    threads = max(count_processors() // min(jobs, max(len(work), 1)), 1)
    try:
        while True:
            for item in work:
                item.look()
            for item in sorted(work, key=lambda item: item.phase == 'waiting'):  # stable
                if sum(other.process is not None for other in work) < jobs:
                    item.advance(threads)
            states = [item.state() for item in work]
            watch(states)
            if all(state.phase in ('finished', 'failed') for state in states):
                return states
            time.sleep(period)
    finally:
        for item in work:
            item.stop()


def run_config(run: Run, folder: Path, overrides: Mapping[str, Any] = {}) -> Config:
    """Return the whole config of a run: seeded, resumable, with its detections kept.

    Args:
        run: The run.
        folder: The run's own folder.
        overrides: Changes of every arm's config, below the arm's own.
    """
    config = copy.deepcopy(_read(run.arm.config))
    root = config.get('data_root')
    config.merge_from_dict({**overrides, **run.arm.overrides})
    move_data_root(config, root)
    config = make_resumable(config, run.seed)
    config.work_dir = str(folder)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None  # tested at the end
    config.test_evaluator.outfile_prefix = str(folder / 'detections')
    config.merge_from_dict({'default_hooks.checkpoint.max_keep_ckpts': 2})
    return config


@functools.lru_cache
def _read(path: Path) -> Config:
    """Read an arm's config once: its bases take most of a second."""
    return Config.fromfile(path)


def log_of(run: Run, folder: Path) -> Path:
    """Return the path of what the run's commands printed."""
    return folder / run.name / LOG


def detections_of(run: Run, folder: Path) -> Path:
    """Return the path of the detections that a finished run leaves."""
    return folder / run.name / 'detections.bbox.json'


def mark_finished(run: Run, folder: Path) -> None:
    """Leave the note, in the run's own folder, that it is finished, and with what."""
    note = {'arm': run.arm.name, 'seed': run.seed, 'environment': environment()}
    write_json(folder / FINISHED, note)


class _Work:
    """One run on its way through training and testing."""

    def __init__(self, run: Run, folder: Path, overrides: Mapping[str, Any]) -> None:
        self.run, self.folder = run, folder
        self.process: Optional[subprocess.Popen] = None
        self.phase = 'finished' if (folder / FINISHED).is_file() else 'waiting'
        config = run_config(run, folder, overrides)
        self.epochs = config.train_cfg.max_epochs
        path = folder / PLANNED
        if not path.is_file():
            with atomic_path(path) as temporary:
                config.dump(temporary)
        elif Config.fromfile(path)._cfg_dict != config._cfg_dict:
            raise UserError(
                f'{folder} holds a run with another config ({path}): give another work directory, '
                'or delete it'
            )

    def look(self) -> None:
        """See whether the process has ended, and how."""
        code = None if self.process is None else self.process.poll()
        if self.process is None or code is None:
            return
        _kill(self.process)  # what it started and left behind
        self.process = None
        if code != 0:
            self.phase = 'failed'
        elif self.phase == 'testing':
            mark_finished(self.run, self.folder)
            self.phase = 'finished'

    def advance(self, threads: int) -> None:
        """Start what comes next, if anything does and nothing runs."""
        if self.process is not None or self.phase in ('finished', 'failed'):
            return
        last = self._last_checkpoint()
        config = str(self.folder / PLANNED)
        if last is not None and last.name == f'epoch_{self.epochs}.pth':
            self.phase = 'testing'
            self._start(['test', config, str(last)], threads)
        else:
            self.phase = 'training'
            resume = ['--resume', str(last)] if last is not None else []
            self._start(['train', config, *resume], threads)

    def state(self) -> State:
        if self.phase not in ('training', 'testing'):
            return State(self.run, self.phase, float(self.phase == 'finished'))
        tail = _tail(self.folder / LOG)
        wanted = self.phase[:-3].encode()
        steps = [found for found in _PROGRESS.finditer(tail) if found[1] == wanted]
        if not steps:
            start = _TRAINING if self.phase == 'testing' else 0
            return State(self.run, self.phase, start)
        epoch, step, total = (int(number or 0) for number in steps[-1].groups()[1:])
        if self.phase == 'testing':
            return State(self.run, self.phase, _TRAINING + (1 - _TRAINING) * step / total)
        losses = _LOSS.findall(tail)
        share = _TRAINING * (epoch - 1 + step / total) / self.epochs
        return State(self.run, self.phase, share, epoch, float(losses[-1]) if losses else None)

    def stop(self) -> None:
        if self.process is not None:
            _kill(self.process)
            self.process.wait()

    def _start(self, command: list[str], threads: int) -> None:
        environment = {**os.environ, 'OMP_NUM_THREADS': str(threads), 'PYTHONUNBUFFERED': '1'}
        child = [
            sys.executable,
            '-m',
            'mmdet_spatialattn.experiments.supervised_process',
            str(os.getpid()),
        ]
        with open(self.folder / LOG, 'ab') as log:
            log.write(f'\n$ spatialattn {" ".join(command)}\n'.encode())
            log.flush()
            self.process = subprocess.Popen(
                [*child, *command, '--work-dir', str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def _last_checkpoint(self) -> Optional[Path]:
        note = self.folder / 'last_checkpoint'
        if not note.is_file():
            return None
        last = Path(note.read_text(encoding='utf-8').strip())
        return last if last.is_file() else None


def _kill(process: subprocess.Popen) -> None:
    """Kill a process and all that it started: a worker that loads data may outlive it for ever."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _tail(path: Path, size: int = 20_000) -> bytes:
    """Return the end of a log since its last command."""
    try:
        with open(path, 'rb') as log:
            log.seek(max(os.path.getsize(path) - size, 0))
            return log.read().rpartition(b'\n$ spatialattn ')[2]
    except OSError:
        return b''
