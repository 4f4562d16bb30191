"""Train and test the runs of a sweep, several at a time; what was interrupted is resumed.

A run has a folder of its own, in which it leaves::

    planned/               what the run is, and its whole config, which repeats it
    config.py              the same as MMEngine writes it, with the changes of the last command
    log.txt                the output of its commands
    epoch_<n>.pth          checkpoints (or iter_<n>.pth); the last two are kept
    health.json            what its attention did in the training
    detections.bbox.json   detections on the test set, in COCO's format
    detections.segm.json   the same with masks, where the detector has some
    run.json               written last: how the run ended, and in which environment
"""

import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional

from mmengine.config import Config

from ..errors import UserError
from ..insertion.health_hook import HEALTH
from ..io import atomic_path
from ..results import Run
from ..results.sweep import FAILED, FINISHED, WAITING
from .checkpoints import resumable_checkpoint
from .fingerprint import PLANNED, claim_run
from .launchers import Execution, Launcher, Local, Task
from .record import delete_record, read_record, write_record
from .resumable import final_checkpoint

TRAINING, TESTING = 'training', 'testing'
"""Phases of a run beside the states that :class:`~mmdet_spatialattn.results.Run` knows."""

LOG_INTERVAL = 10
"""Number of steps from one line of a run's log to the next, at most."""

ERROR_LINES = 8
"""Number of lines of a failed run's log that are shown."""

LOCAL = Local()

_PROGRESS = re.compile(rb'(?:Epoch|Iter)\((train|test)\)\s+(?:\[(\d+)\])?\[\s*(\d+)/(\d+)\]')
_PROGRESS_WORDS = {TRAINING: b'train', TESTING: b'test'}
_LOSS = re.compile(rb'loss: ([\d.]+|nan|inf)')
_WORKER_DIED = re.compile(
    rb'DataLoader worker .* (?:is killed by signal|exited unexpectedly)|out of memory',
    re.IGNORECASE,
)
_TRAINING_SHARE = 0.95  # of the time of a run


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes:
        run: The run.
        phase: ``'waiting'``, ``'training'``, ``'testing'``, ``'finished'`` or ``'failed'``.
        share: Completed share of the whole run, 0 to 1.
        epoch: Current epoch of the training, from 1; 0 before the first progress is logged, or in a
            training by iterations.
        loss: Last logged loss.
        error: The last lines of its log, if it failed.
    """

    run: Run
    phase: str
    share: float = 0.0
    epoch: int = 0
    loss: Optional[float] = None
    error: str = ''


def launch(
    runs: Sequence[Run],
    folder: Path,
    *,
    config_of: Callable[[Run], Config],
    jobs: int = 1,
    device: str = 'cpu',
    gpus: Sequence[Optional[str]] = (),
    launcher: Launcher = LOCAL,
    watch: Callable[[list[RunStatus]], None] = lambda statuses: None,
    period: float = 0.5,
) -> list[RunStatus]:
    """Train and test the runs that are not finished.

    An interrupted run is resumed from its last checkpoint that is whole, and ends as if
    undisturbed. A run that is killed from outside, as for want of memory, is started once more. A
    failed run does not stop the others, unless the first two that end both fail with the same last
    line of their logs: the rest would fail alike. On an exception (Ctrl-C), SIGTERM and SIGHUP all
    processes end before it is passed on.

    Args:
        runs: The runs; each has the folder ``<arm>/seed_<k>`` below ``folder``.
        folder: Folder of the sweep.
        config_of: Returns the whole config of a run.
        jobs: Number of runs at a time; they divide the processors.
        device: ``'cuda'``, or ``'cpu'`` to hide the GPUs from the runs.
        gpus: What ``CUDA_VISIBLE_DEVICES`` is for each GPU; a run gets the one with the fewest
            runs. By default the runs see those that their machine shows.
        launcher: Executes the commands of the runs.
        watch: Called with the status of all runs every ``period`` seconds.
        period: Seconds between two looks at the processes.

    Returns:
        The last status of every run: ``'finished'`` or ``'failed'``.

    Raises:
        UserError: The folder holds a run with another config, or the first two runs failed alike.
    """
    all_jobs = [_Job(run, folder, config_of(run), device, launcher) for run in runs]
    gpus = gpus or (None,)
    threads = launcher.threads(min(jobs, max(len(all_jobs), 1)))
    ended: list[_Job] = []
    try:
        _end_on_signals()
        while True:
            ended += [job for job in all_jobs if job.poll()]
            _check_failures(ended[:2])
            for job in sorted(all_jobs, key=_Job.is_new):  # stable: begun runs go first
                running = [other.gpu for other in all_jobs if other.process is not None]
                if len(running) < jobs:
                    job.start_next(threads, min(gpus, key=running.count))
            statuses = [job.status() for job in all_jobs]
            watch(statuses)
            if all(status.phase in (FINISHED, FAILED) for status in statuses):
                return statuses
            time.sleep(period)
    finally:
        for job in all_jobs:
            job.stop()


def _end_on_signals() -> None:
    """Let the signals that end a job on a cluster, or with its terminal, end the runs in order."""

    def end(number: int, frame: Any) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP
                signal.signal(number, end)


class _Job:
    """One run on its way through training and testing, each in a process of its own."""

    def __init__(
        self, run: Run, folder: Path, config: Config, device: str, launcher: Launcher = LOCAL
    ) -> None:
        self.run, self.sweep_folder, self.device = run, folder, device
        self.folder, self.log = folder / run.name, folder / run.log
        self.launcher = launcher
        self.process: Optional[Execution] = None
        self.phase = FINISHED if read_record(run, folder).state == FINISHED else WAITING
        self.config = config
        self.retried = False
        self.gpu: Optional[str] = None
        claim_run(self.folder, config)

    def is_new(self) -> bool:
        """Return whether nothing of the run was started by this process."""
        return self.phase == WAITING

    def poll(self) -> bool:
        """Record how the run ended, and return true, if its process has just ended."""
        code = None if self.process is None else self.process.poll()
        if self.process is None or code is None:
            return False
        self.process = None
        killed = code < 0 or (code and _WORKER_DIED.search(_last_lines(self.log)))
        if killed and not self.retried:
            self.retried = True
            self._write_log(f'the run was killed ({_cause(code)}); it is started once more')
            return False
        self.phase = FINISHED if code == 0 else FAILED
        write_record(self.run, self.sweep_folder, self.phase, self.device)
        return True

    def start_next(self, threads: int, gpu: Optional[str] = None) -> None:
        """Start the next command of the run, if there is one and none is running."""
        if self.process is not None or self.phase in (FINISHED, FAILED):
            return
        self.gpu = gpu
        if self.phase == WAITING:
            delete_record(self.run, self.sweep_folder)  # of a run that failed before
        config = str(self._write_config())
        checkpoint = resumable_checkpoint(self.folder, self._write_log)
        # The health is written after the last checkpoint: between them a run may have been killed.
        measured = (self.folder / HEALTH).is_file()
        if measured and checkpoint is not None and checkpoint.name == final_checkpoint(self.config):
            self.phase = TESTING
            self._start(['test', config, str(checkpoint)], threads)
        else:
            self.phase = TRAINING
            resume = [] if checkpoint is None else ['--resume', str(checkpoint)]
            self._start(['train', config, '--test', *resume, *self._log_often()], threads)

    def status(self) -> RunStatus:
        """Return how far the run is, as its log tells."""
        if self.phase == FAILED:
            return RunStatus(self.run, self.phase, error=self.error())
        if self.phase not in (TRAINING, TESTING):
            return RunStatus(self.run, self.phase, float(self.phase == FINISHED))
        log = _last_lines(self.log)
        if any(match[1] == b'test' for match in _PROGRESS.finditer(log)):
            self.phase = TESTING
        word = _PROGRESS_WORDS[self.phase]
        steps = [match.groups() for match in _PROGRESS.finditer(log) if match[1] == word]
        if not steps:
            return RunStatus(self.run, self.phase, _TRAINING_SHARE if self.phase == TESTING else 0)
        epoch, step, total = (int(number or 0) for number in steps[-1][1:])
        if self.phase == TESTING:
            share = _TRAINING_SHARE + (1 - _TRAINING_SHARE) * step / total
            return RunStatus(self.run, self.phase, share)
        losses = _LOSS.findall(log)
        share = _TRAINING_SHARE * step / total  # of all iterations, or of those of an epoch
        if epoch:
            share = (_TRAINING_SHARE * (epoch - 1) + share) / self.config.train_cfg.max_epochs
        return RunStatus(self.run, self.phase, share, epoch, float(losses[-1]) if losses else None)

    def stop(self) -> None:
        """End the process, if one is running."""
        if self.process is not None:
            self.process.stop()

    def error(self) -> str:
        """Return the last lines of the log of a failed run."""
        _command, *lines = _last_lines(self.log).decode(errors='replace').splitlines() or ['']
        return '\n'.join([line for line in lines if line.strip()][-ERROR_LINES:])

    def _start(self, command: list[str], threads: int) -> None:
        environment = {'OMP_NUM_THREADS': str(threads), 'PYTHONUNBUFFERED': '1'}
        if self.device == 'cpu':
            environment['CUDA_VISIBLE_DEVICES'] = ''
        elif self.gpu is not None:
            environment['CUDA_VISIBLE_DEVICES'] = self.gpu
        arguments = (*command, '--work-dir', str(self.folder))
        self.process = self.launcher.start(Task(arguments, self.folder, environment))

    def _write_log(self, line: str) -> None:
        """Add a line to the log of the run."""
        with open(self.log, 'ab') as log:
            log.write(f'\nspatialattn: {line}\n'.encode())

    def _log_often(self) -> list[str]:
        """Return the option that logs steps often enough to tell early how long they take."""
        logger = self.config.get('default_hooks', {}).get('logger')
        if not logger or logger.get('interval', LOG_INTERVAL) <= LOG_INTERVAL:
            return []
        return ['--cfg-options', f'default_hooks.logger.interval={LOG_INTERVAL}']

    def _write_config(self) -> Path:
        """Write the whole config, with the paths of this machine."""
        path = self.folder / PLANNED
        with atomic_path(path) as temporary:
            self.config.dump(temporary)
        return path


def _check_failures(first: Sequence[_Job]) -> None:
    """Check that the first two runs that ended did not fail alike.

    Raises:
        UserError: They did.
    """
    if len(first) < 2 or any(job.phase != FAILED for job in first):
        return
    last, *others = [job.error().rpartition('\n')[2] for job in first]
    if others == [last]:
        names = ' and '.join(job.run.name for job in first)
        raise UserError(
            f'{names} failed alike, so no further run is started: {last} (log: {first[0].log}); '
            'correct the cause and give the same command again'
        )


def _cause(code: int) -> str:
    """Return in words why a process ended that did not end by itself."""
    if code >= 0:
        return 'a process that loads data died, or memory was short'
    name = signal.Signals(-code).name
    return f'{name}, as when memory is short' if -code == signal.SIGKILL else name


def _last_lines(path: Path, size: int = 20_000) -> bytes:
    """Return the last lines of a log, at most those of its last command."""
    try:
        with open(path, 'rb') as log:
            log.seek(max(os.path.getsize(path) - size, 0))
            return log.read().rpartition(b'\n$ spatialattn ')[2]
    except OSError:
        return b''
