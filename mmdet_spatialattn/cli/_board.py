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

    Use as a context manager and call it with the states. In a terminal every run has a bar with
    phase, epoch, loss and the time that remains. Elsewhere (a log) a line is printed when a run
    begins an epoch or another phase.
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
        for state in states:
            name = state.run.name
            what = state.phase + (f', epoch {state.epoch}' if state.epoch else '')
            loss = '' if state.loss is None else f', loss {state.loss:.3f}'
            if self.console.is_terminal:
                if name not in self.tasks:
                    self.tasks[name] = self.progress.add_task(name, total=1, what='')
                self.progress.update(self.tasks[name], completed=state.share, what=what + loss)
            elif what != self.shown.get(name):
                print(f'{name}: {what}{loss}', file=self.console.file, flush=True)
            self.shown[name] = what
