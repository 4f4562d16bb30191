"""One view of several runs: bars in a terminal, a line per event elsewhere."""

from types import TracebackType
from typing import TYPE_CHECKING, Optional

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from ..experiments.launch import State


class Board:
    """Shows the states that :func:`~mmdet_spatialattn.experiments.launch.launch` reports.

    Use as a context manager and call it with the states. In a terminal one bar counts all runs,
    with the time that remains, and every run at work has one with phase, epoch and loss. Elsewhere
    (a log) a line is printed when a run begins an epoch or another phase.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.fields[what]}'),
            TextColumn('elapsed'),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.shown: dict[str, str] = {}

    def __enter__(self) -> 'Board':
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.progress.stop()

    def __call__(self, states: 'list[State]') -> None:
        summary = _summary(states)
        self._update('all runs', len(states), sum(state.share for state in states), summary)
        for state in states:
            name = state.run.name
            what = state.phase + (f', epoch {state.epoch}' if state.epoch else '')
            loss = '' if state.loss is None else f', loss {state.loss:.3f}'
            if state.phase in ('training', 'testing'):
                self._update(name, 1, state.share, what + loss)
            elif name in self.tasks:
                self.progress.remove_task(self.tasks.pop(name))
            if what != self.shown.setdefault(name, 'waiting') and not self.console.is_terminal:
                ended = f' ({summary})' if state.phase in ('finished', 'failed') else ''
                print(f'{name}: {what}{loss}{ended}', file=self.console.file, flush=True)
            self.shown[name] = what

    def _update(self, name: str, total: int, completed: float, what: str) -> None:
        if name not in self.tasks:
            self.tasks[name] = self.progress.add_task(name, total=total, what='')
        self.progress.update(self.tasks[name], completed=completed, what=what)


def _summary(states: 'list[State]') -> str:
    """Count the runs that have ended.

    Example:
        >>> _summary([])
        '0 of 0 finished'
    """
    failed = sum(state.phase == 'failed' for state in states)
    finished = sum(state.phase == 'finished' for state in states)
    return f'{finished} of {len(states)} finished' + (f', {failed} failed' if failed else '')
