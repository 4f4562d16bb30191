"""The evaluation of one run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..plots import INK, Point, Series, forest
from ..tables import Table
from .base import Result
from .estimates import Metrics, Refused, points_or_missing
from .test_set import OVERALL, Stratum, strata_table

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Evaluation(Result):
    """How good the detections of one run are, overall and in every stratum.

    Attributes:
        source: Where the detections came from.
        strata: The strata, the least cluttered first.
        metrics: By scope, ``'overall'`` or the name of a stratum, and metric. Overall are COCO's
            twelve numbers, equal to pycocotools' to the last bit, ``MR``, the log-average miss rate
            MR^-2, and with one class ``JI``. In a stratum are ``AP``, ``AP50``, ``AP75``,
            ``AR<cap>``, ``MR``, with one class ``JI``, and ``AP_lift``: by how much the AP of
            random images that hold as many objects exceeds the overall AP, merely because the
            objects are fewer.
        errors: By scope, the number of errors of each type.
        notes: What a user should know, one sentence each.
    """

    FORMAT: ClassVar[str] = 'evaluation'

    source: str
    strata: tuple[Stratum, ...]
    metrics: dict[str, Metrics]
    errors: dict[str, dict[str, int]]
    notes: tuple[str, ...] = ()

    @property
    def overall(self) -> Metrics:
        """The metrics on all objects."""
        return self.metrics[OVERALL]

    def tables(self) -> list[Table]:
        names = list(dict.fromkeys(name for metrics in self.metrics.values() for name in metrics))
        rows = [
            (scope, *(points_or_missing(metrics[n]) if n in metrics else '' for n in names))
            for scope, metrics in self.metrics.items()
        ]
        return [
            strata_table(self.strata),
            Table(f'{self.source}: metrics in points', ('scope', *names), rows),
        ]

    def plot(self) -> 'go.Figure':
        """Return a figure of the AP in every scope."""
        values = {scope: metrics['AP'] for scope, metrics in self.metrics.items()}
        markers = {
            scope: None if isinstance(value, Refused) else Point(value, value, value)
            for scope, value in values.items()
        }
        series = [Series(self.source, markers, INK, 'diamond')]
        return forest(series, list(values), title='AP in points')

    def rows(self) -> list[dict[str, Any]]:
        return [
            {'scope': scope, 'metric': name, 'value': value}
            for scope, metrics in self.metrics.items()
            for name, value in metrics.items()
            if not isinstance(value, Refused)
        ]

    def __str__(self) -> str:
        notes = [f'Note: {note}' for note in self.notes]
        return '\n\n'.join([super().__str__(), *notes])
