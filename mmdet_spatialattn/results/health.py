"""What the attention of one run did in its training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Optional

from ..tables import MISSING, Table, short
from .base import Result

TRAINED = 'trained'
PARTLY = 'partly trained'
NEVER = 'never trained'
NOTHING = 'nothing to train'
DIVERGED = 'diverged'
"""Whether the attention of a training trained."""


@dataclass(frozen=True)
class RunHealth(Result):
    """What the attention of one run did in its training, over all its attention modules.

    Attributes:
        verdict: ``'trained'``, ``'partly trained'``, ``'never trained'``, ``'nothing to train'`` or
            ``'diverged'``.
        reason: Which modules did not train, and why; empty where all did.
        distance: Largest distance of a parameter from its start, relative to its size there.
        alpha: Lowest and highest weight of the attention; ``None`` without such a weight, as
            everywhere below for what was not measured.
        change: Mean over the modules of the distance between output and input, relative to the
            input: how much of the features attention changes.
        saturated: Mean share of saturated gate values.
        deviation: Mean standard deviation of the spatial maps over the positions.
    """

    FORMAT: ClassVar[str] = 'health'

    verdict: str
    reason: str = ''
    distance: Optional[float] = None
    alpha: Optional[tuple[float, float]] = None
    change: Optional[float] = None
    saturated: Optional[float] = None
    deviation: Optional[float] = None

    @property
    def obstacle(self) -> str:
        """Why the run shows nothing about its attention; empty where it does."""
        return self.reason if self.verdict in (NEVER, DIVERGED) else ''

    def tables(self) -> list[Table]:
        return [health_table({'': [self]})]


def health_table(runs: Mapping[str, Sequence[RunHealth]]) -> Table:
    """Return the health of the runs of each arm: the worst verdict and the means over the runs."""
    header = ('arm', 'attention', 'distance', 'alpha', 'change', 'saturated', 'deviation')
    rows = [
        (
            arm,
            _verdict(health),
            _mean([run.distance for run in health]),
            _range([run.alpha for run in health]),
            *(
                _mean([getattr(run, name) for run in health])
                for name in ('change', 'saturated', 'deviation')
            ),
        )
        for arm, health in runs.items()
    ]
    return Table('What attention did in the trainings', header, rows)


def _verdict(runs: Sequence[RunHealth]) -> str:
    order = (DIVERGED, NEVER, PARTLY, TRAINED, NOTHING)
    return min((run.verdict for run in runs), key=order.index, default=MISSING)


def _mean(values: Sequence[Optional[float]]) -> str:
    known = [value for value in values if value is not None]
    return short(sum(known) / len(known)) if known else MISSING


def _range(ranges: Sequence[Optional[tuple[float, float]]]) -> str:
    known = [ends for ends in ranges if ends is not None]
    if not known:
        return MISSING
    low, high = min(low for low, _ in known), max(high for _, high in known)
    return f'{short(low)} to {short(high)}'
