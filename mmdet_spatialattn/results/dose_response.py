"""The metrics of arms by dose of clutter."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Union

from ..plots import dose_curves
from ..tables import MISSING, Table, points
from .base import Result
from .estimates import EstimateOrRefused, Interval, IntervalOrRefused, Number, Refused, drawn

if TYPE_CHECKING:
    import plotly.graph_objects as go

AP, MPC, RPC = 'AP', 'mPC', 'rPC'


@dataclass(frozen=True)
class DoseSettings:
    """How a dose-response was computed; see :class:`ComparisonSettings`."""

    file: str
    baseline: str
    iou_type: str
    engine: str
    n_boot: int
    seed: int
    level: float
    group_by: Optional[str] = None


@dataclass(frozen=True)
class DoseRun:
    """One run by dose.

    Attributes:
        source: Where the detections came from.
        AP: AP at every dose.
        mPC: Mean AP over all doses but the first.
        rPC: mPC divided by the AP at the first dose.
    """

    source: str
    AP: tuple[Number, ...]
    mPC: Number
    rPC: Number


@dataclass(frozen=True)
class DoseCurve:
    """The mean over the runs of an arm by dose, with intervals; fields as in :class:`DoseRun`."""

    AP: tuple[IntervalOrRefused, ...]
    mPC: IntervalOrRefused
    rPC: IntervalOrRefused


@dataclass(frozen=True)
class DoseEffect:
    """The effect of an arm by dose; fields as in :class:`DoseRun`."""

    AP: tuple[EstimateOrRefused, ...]
    mPC: EstimateOrRefused
    rPC: EstimateOrRefused


@dataclass(frozen=True)
class DoseArm:
    """One arm by dose: the mean over its runs, and every run."""

    mean: DoseCurve
    runs: tuple[DoseRun, ...]


@dataclass(frozen=True)
class DoseResponse(Result):
    """The AP of arms by dose of clutter, and the effect of each arm on it.

    Attributes:
        field: Field of the images that holds the dose.
        doses: The doses, rising.
        images: Number of images with each dose.
        objects: Number of objects with each dose.
        arms: By arm.
        effects: By arm but the baseline. The p values and simultaneous intervals of AP account for
            the number of arms and doses, those of mPC and of rPC for the number of arms.
        settings: How it was computed.
        notes: What a user should know, one sentence each.
    """

    FORMAT: ClassVar[str] = 'dose-response'

    field: str
    doses: tuple[float, ...]
    images: tuple[int, ...]
    objects: tuple[int, ...]
    arms: dict[str, DoseArm]
    effects: dict[str, DoseEffect]
    settings: DoseSettings
    notes: tuple[str, ...]

    def tables(self) -> list[Table]:
        header = ('arm', *(f'{self.field} {dose:g}' for dose in self.doses), MPC, RPC)
        means = [
            (arm, *(_point(entry) for *_, entry in self._entries(result.mean)))
            for arm, result in self.arms.items()
        ]
        effects = [
            (arm, *(_text(entry) for *_, entry in self._entries(effect)))
            for arm, effect in self.effects.items()
        ]
        tables = [Table('AP by dose in points; rPC in percent', header, means)]
        if effects:
            title = f'Effects by dose in points against {self.settings.baseline}'
            tables.append(Table(title, header, effects))
        return tables

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per interval: quantity, arm, metric, dose, and the interval's numbers."""
        curves: list[tuple[str, str, Union[DoseCurve, DoseEffect]]] = [
            *(('mean', arm, result.mean) for arm, result in self.arms.items()),
            *(('effect', arm, effect) for arm, effect in self.effects.items()),
        ]
        return [
            {'quantity': quantity, 'arm': arm, 'metric': metric, 'dose': dose, **asdict(entry)}
            for quantity, arm, curve in curves
            for metric, dose, entry in self._entries(curve)
            if isinstance(entry, Interval)
        ]

    def plot(self) -> 'go.Figure':
        """Return a figure of the AP of every arm by dose."""
        curves = {arm: [drawn(entry) for entry in r.mean.AP] for arm, r in self.arms.items()}
        return dose_curves(self.doses, curves, x_title=self.field, y_title='AP in points')

    def __str__(self) -> str:
        title = f'{self.settings.file}: {sum(self.objects)} objects in {sum(self.images)} images'
        notes = [f'Note: {note}' for note in self.notes]
        return '\n\n'.join([title, super().__str__(), *notes])

    def _entries(
        self, curve: Union[DoseCurve, DoseEffect]
    ) -> Iterator[tuple[str, Optional[float], IntervalOrRefused]]:
        """Yield every metric, the dose if there is one, and its entry."""
        yield from ((AP, dose, entry) for dose, entry in zip(self.doses, curve.AP))
        yield from ((MPC, None, curve.mPC), (RPC, None, curve.rPC))


def _point(entry: IntervalOrRefused) -> str:
    return MISSING if isinstance(entry, Refused) else points(entry.estimate)


def _text(entry: IntervalOrRefused) -> str:
    return MISSING if isinstance(entry, Refused) else str(entry)
