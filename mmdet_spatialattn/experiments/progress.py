"""How a sweep shows its progress."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Callable

from ..processors import Progress, silent
from .launch import RunStatus


class SweepProgress:
    """Shows nothing; a subclass shows the progress of a sweep.

    Example:
        >>> class Printed(SweepProgress):
        ...     def steps(self, title):
        ...         print(title)
        ...         return super().steps(title)
        >>> list(Printed().steps('comparing')(range(2), 2))
        comparing
        [0, 1]
    """

    def steps(self, title: str) -> Progress:
        """Return a progress-bar wrapper for an iterable, given its length too."""
        return silent

    def note(self, text: str) -> None:
        """Show a line that the user should know."""

    def runs(self) -> AbstractContextManager[Callable[[Sequence[RunStatus]], None]]:
        """Give a function that is called with the status of all runs, again and again."""
        return nullcontext(lambda statuses: None)


SILENT = SweepProgress()
