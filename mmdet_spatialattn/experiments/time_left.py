"""How long a sweep will still take, from the steps that its runs have made."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Optional

from ..results.sweep import FAILED, FINISHED, WAITING
from .launch import RunStatus


class TimeLeft:
    """Estimates when all runs will have ended.

    The pace of a run is measured between its first logged steps and its last ones, so that the
    start of its process counts once. A run that waits is expected to take as long as those of its
    arm, or as the others where its arm has none.
    """

    def __init__(self) -> None:
        self._courses: dict[str, _Course] = {}
        self._slots = 1

    def update(self, statuses: Sequence[RunStatus], now: float) -> Optional[float]:
        """Return the seconds that are left; ``None`` before steps are logged twice.

        Args:
            statuses: The status of all runs.
            now: The time, in seconds.
        """
        waiting, running = [], []
        for status in statuses:
            if status.phase == WAITING:
                waiting.append(status.run.arm)
            elif status.phase not in (FINISHED, FAILED):
                course = self._courses.setdefault(status.run.name, _Course(status.run.arm, now))
                course.follow(status.share, now)
                running.append(course)
            elif status.phase == FINISHED and status.run.name in self._courses:
                self._courses[status.run.name].follow(1.0, now)
        self._slots = max(self._slots, len(running))
        if not running and not waiting:
            return 0.0
        ends = [self._left(course, now) for course in running]
        lengths = [self._length(arm) for arm in waiting]
        if None in ends or None in lengths:
            return None
        slots = [0.0] * (self._slots - len(running)) + [end for end in ends if end is not None]
        heapq.heapify(slots)
        for length in lengths:
            heapq.heapreplace(slots, slots[0] + (length or 0.0))
        return max(slots)

    def _left(self, course: '_Course', now: float) -> Optional[float]:
        """Return the seconds that a run in progress will still take."""
        if course.pace is not None:
            return max((1 - course.share) * course.pace - (now - course.seen), 0.0)
        length = self._length(course.arm)
        return None if length is None else max(length - (now - course.began), 0.0)

    def _length(self, arm: str) -> Optional[float]:
        """Return the seconds that a whole run of an arm takes."""
        lengths = [(course.arm, course.length) for course in self._courses.values()]
        known = [(name, length) for name, length in lengths if length is not None]
        own = [length for name, length in known if name == arm]
        return fmean(own or [length for _, length in known]) if known else None


@dataclass
class _Course:
    """What was seen of a run: when it began, and the share that was done at two moments."""

    arm: str
    began: float
    first: Optional[tuple[float, float]] = None
    seen: float = 0.0
    share: float = 0.0

    def follow(self, share: float, now: float) -> None:
        """Note the share that is done now, if it has grown."""
        if share > self.share:
            self.first = self.first or (now, share)
            self.seen, self.share = now, share

    @property
    def pace(self) -> Optional[float]:
        """Seconds that the whole run takes, without the start of its process."""
        if self.first is None or self.share <= self.first[1]:
            return None
        return (self.seen - self.first[0]) / (self.share - self.first[1])

    @property
    def length(self) -> Optional[float]:
        """Seconds that the whole run takes."""
        if self.first is None or self.pace is None:
            return None
        startup = self.first[0] - self.began - self.first[1] * self.pace
        return max(startup, 0.0) + self.pace
