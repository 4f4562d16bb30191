"""The progress of a sweep: bars in a terminal, a line per event elsewhere."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Callable, Optional

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from .. import processors
from ..experiments.launch import TESTING, TRAINING, RunStatus
from ..experiments.progress import SweepProgress
from ..experiments.time_left import TimeLeft
from ..results.sweep import FAILED, FINISHED, WAITING
from ._command import progress


class ProgressDisplay(SweepProgress):
    """Shows the progress of a sweep on stderr."""

    def steps(self, title: str) -> processors.Progress:
        return progress(title)

    def note(self, text: str) -> None:
        Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def runs(self) -> Iterator[Callable[[Sequence[RunStatus]], None]]:
        bars = RunBars()
        with bars.progress:
            yield bars.show


class RunBars:
    """The bars of several runs.

    In a terminal one bar counts all runs, with the time that is left, and every run in progress has
    one with its phase, epoch and loss. Elsewhere (a log) a line is printed when a run begins an
    epoch or another phase. The first run that fails is shown with the end of its log.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.fields[label]}'),
            TextColumn('elapsed'),
            TimeElapsedColumn(),
            TextColumn('{task.fields[left]}'),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.labels: dict[str, str] = {}
        self.time_left = TimeLeft()
        self.failed = False

    def show(self, statuses: Sequence[RunStatus]) -> None:
        """Show the status of all runs."""
        left = _left(self.time_left.update(statuses, time.monotonic()))
        summary = _summary(statuses)
        share = sum(status.share for status in statuses)
        self._update('all runs', len(statuses), share, summary, left)
        for status in statuses:
            name = status.run.name
            if status.phase in (TRAINING, TESTING):
                self._update(name, 1, status.share, _label(status) + _loss(status))
            elif name in self.tasks:
                self.progress.remove_task(self.tasks.pop(name))
            if not self.console.is_terminal:
                self._log(status, summary, left)
            if status.error and not self.failed:
                self.failed = True
                self._show_error(status)

    def _update(self, name: str, total: int, completed: float, label: str, left: str = '') -> None:
        if name not in self.tasks:
            self.tasks[name] = self.progress.add_task(name, total=total, label='', left='')
        self.progress.update(self.tasks[name], completed=completed, label=label, left=left)

    def _show_error(self, status: RunStatus) -> None:
        """Print the end of the log of a failed run, above the bars."""
        lines = '\n'.join(f'    {line}' for line in status.error.splitlines())
        text = f'{status.run.name} failed; its log ends with\n{lines}'
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _log(self, status: RunStatus, summary: str, left: str) -> None:
        """Print a line, if the run is in another phase or epoch than before."""
        name, label = status.run.name, _label(status)
        if label == self.labels.get(name, WAITING):
            return
        self.labels[name] = label
        notes = [summary] if status.phase in (FINISHED, FAILED) else []
        notes += [left] if left else []
        ended = f' ({", ".join(notes)})' if notes else ''
        print(f'{name}: {label}{_loss(status)}{ended}', file=self.console.file, flush=True)


def _left(seconds: Optional[float]) -> str:
    """Describe the time that is left.

    Example:
        >>> _left(5000.0)
        'about 1 h 23 min left'
    """
    if not seconds:
        return ''
    minutes = round(seconds / 60)
    if not minutes:
        return 'less than a minute left'
    hours = f'{minutes // 60} h ' if minutes >= 60 else ''
    return f'about {hours}{minutes % 60} min left'


def _label(status: RunStatus) -> str:
    return f'{status.phase}, epoch {status.epoch}' if status.epoch else status.phase


def _loss(status: RunStatus) -> str:
    return '' if status.loss is None else f', loss {status.loss:.3f}'


def _summary(statuses: Sequence[RunStatus]) -> str:
    """Count the runs that have ended.

    Example:
        >>> _summary([])
        '0 of 0 finished'
    """
    failed = sum(status.phase == FAILED for status in statuses)
    finished = sum(status.phase == FINISHED for status in statuses)
    return f'{finished} of {len(statuses)} finished' + (f', {failed} failed' if failed else '')
