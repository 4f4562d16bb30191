"""Numbers with their uncertainty, and the one way to say that there is no number."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NoReturn, Optional, Union

from ..errors import UserError
from ..plots import INK, Point, Series, forest
from ..tables import MISSING, Table, estimate_points, interval_points, p_value, points
from .base import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go

DegreesOfFreedom = Annotated[float, 'degrees of freedom']
"""A float that may be infinite; JSON holds ``null`` then."""


class NoEstimate(UserError, AttributeError):
    """A number was read where it was refused; the message is the reason."""


@dataclass(frozen=True)
class Refused(Result):
    """There is no number, and this is why.

    Reading a number of an estimate (``.estimate``, ``.low`` ...) raises a :class:`UserError` with
    the reason.

    Example:
        >>> str(Refused("'crowded': 12 objects; a conclusion needs 30"))
        "'crowded': 12 objects; a conclusion needs 30"
    """

    FORMAT: ClassVar[str] = 'refusal'

    reason: str

    def tables(self) -> list[Table]:
        return [Table('', ('refused',), [(self.reason,)])]

    def __str__(self) -> str:
        return self.reason

    def __float__(self) -> NoReturn:
        raise NoEstimate(f'there is no number: {self.reason}')

    def __getattr__(self, name: str) -> Any:
        if name in Estimate.__dataclass_fields__:
            raise NoEstimate(f'there is no estimate: {self.reason}')
        raise AttributeError(f"'Refused' has no attribute '{name}'")


@dataclass(frozen=True)
class Interval(Result):
    """A number with its confidence interval.

    Attributes:
        estimate: The number.
        low: Lower end of the interval; its confidence level is that of the settings (95 %).
        high: Upper end.
        se: Standard error.
        df: Degrees of freedom of Student's distribution behind the interval.

    Example:
        >>> str(Interval(0.297, 0.28, 0.31, 0.007, 99))
        '29.7 [28.0, 31.0]'
    """

    FORMAT: ClassVar[str] = 'interval'
    signed: ClassVar[bool] = False

    estimate: float
    low: float
    high: float
    se: float
    df: DegreesOfFreedom

    def __str__(self) -> str:
        estimate = estimate_points(self.estimate, self.low, self.high, signed=self.signed)
        return f'{estimate} {interval_points(self.low, self.high, signed=self.signed)}'

    def tables(self) -> list[Table]:
        header = ('estimate', 'interval')
        estimate, interval = str(self).split(' ', 1)
        return [Table('', header, [(estimate, interval)])]

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(self)]

    def plot(self) -> 'go.Figure':
        return forest([Series('', {'': self}, INK, 'diamond')], [''], title='points')


@dataclass(frozen=True)
class Bounds:
    """The ends of an interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return interval_points(self.low, self.high, signed=True)

    @property
    def sign(self) -> int:
        """1 where the whole interval is above 0, -1 where it is below, else 0."""
        return int(self.low > 0) - int(self.high < 0)

    def within(self, delta: float) -> bool:
        """Return whether the whole interval lies between ``-delta`` and ``delta``."""
        return -delta < self.low and self.high < delta


BoundsOrRefused = Union[Bounds, Refused]


@dataclass(frozen=True)
class Estimate(Interval):
    """An effect with its confidence interval and its test against zero.

    Attributes:
        p: Two-sided p value, consistent with the interval.
        p_adjusted: The p value adjusted for all arms of the question, and for all questions that
            share its error budget.
        detectable: From this size on, an effect is found four times in five.
        simultaneous: The interval that, together with those of the other arms, holds with the
            confidence of a single one: statements about several arms follow from these.

    Example:
        >>> effect = Estimate(0.012, 0.004, 0.02, 0.004, 9, 0.01, 0.02, 0.011, Bounds(0.001, 0.023))
        >>> print(effect, effect.simultaneous)
        +1.20 [+0.40, +2.00] [+0.1, +2.3]
    """

    FORMAT: ClassVar[str] = 'estimate'
    signed: ClassVar[bool] = True

    p: float
    p_adjusted: float
    detectable: float
    simultaneous: BoundsOrRefused

    def tables(self) -> list[Table]:
        (table,) = super().tables()
        detectable = estimate_points(self.detectable, self.low, self.high)
        cells = (str(self.simultaneous), p_value(self.p_adjusted), detectable)
        header = (*table.header, 'simultaneous', 'adjusted p', 'found 4 times in 5 from')
        return [Table('', header, [(*table.rows[0], *cells)])]


Number = Union[float, Refused]
"""A metric as a fraction, or why there is none."""

Metrics = dict[str, Number]
"""By name of the metric."""

EstimateOrRefused = Union[Estimate, Refused]
IntervalOrRefused = Union[Interval, Refused]

Effects = dict[str, EstimateOrRefused]
"""By name of the metric."""


def drawn(number: IntervalOrRefused) -> Optional[Interval]:
    """Return what a figure shows: nothing where a number was refused."""
    return None if isinstance(number, Refused) else number


def drawn_twice(effect: EstimateOrRefused) -> Optional[Point]:
    """Return what a figure shows of an effect: both intervals; nothing where it was refused."""
    if isinstance(effect, Refused):
        return None
    bounds = effect.simultaneous
    outer = (bounds.low, bounds.high) if isinstance(bounds, Bounds) else None
    return Point(effect.estimate, effect.low, effect.high, outer)


def points_or_missing(number: Number) -> str:
    """Return a metric in points, or a dash where it was refused."""
    return MISSING if isinstance(number, Refused) else points(number)
