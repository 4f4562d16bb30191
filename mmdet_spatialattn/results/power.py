"""What a comparison could see: its variance components, and the smallest effects by seeds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..plots import power_lines
from ..tables import Table, points
from .base import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class UnitVariance:
    """Variance of a difference between two arms over units of one kind: seeds or bases.

    Attributes:
        variance: Beyond what the test images explain.
        luck: What they explain: the luck of single runs with these images.
        shared: Covariance of the differences of two arms.
    """

    variance: float
    luck: float
    shared: float


@dataclass(frozen=True)
class Power(Result):
    """The smallest effects that a comparison of paired runs finds, by number of seeds.

    Attributes:
        metric: The metric.
        scope: ``'overall'`` or the name of a stratum.
        n_arms: Number of arms that the intervals account for.
        n_units: Number of test images, or of groups of them.
        level: Confidence level over all arms.
        images: Variance of an effect over test sets.
        images_shared: Covariance of the effects of two arms over test sets.
        seeds: Variance over seeds.
        bases: Variance over bases; 0 with one base.
        n_bases: Number of bases, with each of which every seed is run.
        curve: Numbers of seeds per base, and the effect found four times in five with so many.
    """

    FORMAT: ClassVar[str] = 'power'

    metric: str
    scope: str
    n_arms: int
    n_units: int
    level: float
    images: float
    images_shared: float
    seeds: UnitVariance
    bases: UnitVariance
    n_bases: int
    curve: tuple[tuple[int, float], ...]

    def tables(self) -> list[Table]:
        return [power_table([self])]

    def plot(self) -> 'go.Figure':
        """Return a figure of the smallest effect by number of seeds."""
        return power_figure([self])


def power_table(powers: list[Power]) -> Table:
    """Return the smallest effects by number of seeds, a column per scope."""
    seeds = [n for n, _ in powers[0].curve]
    header = ('seeds', *(f'{power.metric} {power.scope}' for power in powers))
    rows = [
        (str(n), *(points(power.curve[i][1], decimals=2) for power in powers))
        for i, n in enumerate(seeds)
    ]
    return Table('Smallest effect found four times in five, in points', header, rows)


def power_figure(powers: list[Power]) -> 'go.Figure':
    """Return a figure of the smallest effects by number of seeds, a line per scope."""
    return power_lines({f'{power.metric} {power.scope}': power.curve for power in powers})
