"""The result of a sweep: its plan, its runs, their comparison."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Union

from ..tables import MISSING, Table
from .audit import Audit
from .base import Result
from .comparison import Comparison
from .cost import Cost, cost_table
from .dose_response import DoseResponse
from .estimates import EstimateOrRefused, Refused, points_or_missing
from .health import RunHealth
from .test_set import OVERALL

if TYPE_CHECKING:
    import plotly.graph_objects as go

WAITING, FINISHED, FAILED = 'waiting', 'finished', 'failed'
"""States of a run."""

START = 'start'
"""Name of the runs that train the common start, and of their folder."""

PLACEBO = 'placebo'
"""Name of the arm that is added to every plan with a common start: the baseline, jittered."""


@dataclass(frozen=True)
class Environment:
    """With what a run was finished.

    Attributes:
        versions: By package.
        hardware: ``processor``, ``cores``, ``memory`` in bytes, ``device``.
        commit: Commit of the clone, with ``-dirty`` if the package differs from it; ``None`` where
            there is no clone.
    """

    versions: dict[str, str]
    hardware: dict[str, Any]
    commit: Optional[str] = None


@dataclass(frozen=True)
class Run(Result):
    """One arm trained with one seed.

    Attributes:
        arm: Name of the arm.
        seed: Seed of the training.
        state: ``'waiting'``, ``'finished'`` or ``'failed'``.
        environment: With what it was finished.
        base: Seed of the common start that it began from, where there are several.
        health: What its attention did in the training; ``None`` where that was not recorded.
    """

    FORMAT: ClassVar[str] = 'run'

    arm: str
    seed: int
    state: str = FINISHED
    environment: Optional[Environment] = None
    base: Optional[int] = None
    health: Optional[RunHealth] = None

    @property
    def name(self) -> str:
        """``<arm>/seed_<k>`` or ``<arm>/base_<b>/seed_<k>``: its folder below the sweep's."""
        base = '' if self.base is None else f'/base_{self.base}'
        return f'{self.arm}{base}/seed_{self.seed}'

    @property
    def detections(self) -> str:
        """File of its detections, as seen from the sweep's folder."""
        return self.detections_of('bbox')

    def detections_of(self, iou_type: str) -> str:
        """Return the file of its detections as boxes (``'bbox'``) or masks (``'segm'``)."""
        return f'{self.name}/detections.{iou_type}.json'

    @property
    def log(self) -> str:
        """File of what its commands printed, as seen from the sweep's folder."""
        return f'{self.name}/log.txt'

    def tables(self) -> list[Table]:
        return [Table('', ('run', 'state'), [(self.name, self.state)])]


@dataclass(frozen=True)
class ArmSummary:
    """One arm of a plan.

    Attributes:
        config: Its config, as seen from the folder in which the sweep was started.
        overrides: Changes of the config, dotted key to value.
        seeds: Seeds of its runs.
    """

    config: str
    overrides: dict[str, Any]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class PlanSummary:
    """A plan as it was carried out; see :class:`~mmdet_spatialattn.experiments.Plan`."""

    name: str
    baseline: str
    seeds: tuple[int, ...]
    arms: dict[str, ArmSummary]
    control: Optional[str] = None
    strata: str = 'cover:0.1,0.3'
    dose: Optional[str] = None
    severities: tuple[int, ...] = ()
    group_by: Optional[str] = None
    n_boot: int = 1000
    max_detections: int = 100
    overrides: dict[str, Any] = field(default_factory=dict)
    start: Optional[dict[str, Any]] = None
    fine_tuning: dict[str, Any] = field(default_factory=dict)
    question: tuple[dict[str, str], ...] = ()
    delta: float = 0.5
    looks: tuple[int, ...] = ()

    @property
    def estimand(self) -> str:
        """``'added'``: what attention adds to a trained detector; ``'trained'``: from scratch."""
        return 'trained' if self.start is None else 'added'


@dataclass(frozen=True)
class SweepResult(Result):
    """What a sweep found; ``verdict.json`` holds it.

    Attributes:
        plan: What was planned.
        annotations: Annotation file of the test set, as seen from the sweep's folder.
        images: Folder of its images, likewise.
        comparison: The arms against the baseline; by their masks, where detectors have some.
        dose: The arms by dose of clutter, where the plan asks for it.
        costs: By arm. Measured times differ between measurements; they stand in ``cost.json``.
        audits: By arm, the inserted attention.
        differences: By arm, how its config differs from the baseline's, as a unified diff.
        runs: All planned runs.
        boxes: The arms by their boxes, where ``comparison`` is by their masks.
    """

    FORMAT: ClassVar[str] = 'verdict'

    plan: PlanSummary
    annotations: str
    images: str
    comparison: Comparison
    dose: Optional[DoseResponse]
    costs: dict[str, Cost]
    audits: dict[str, Union[Audit, Refused]]
    differences: dict[str, str]
    runs: tuple[Run, ...]
    boxes: Optional[Comparison] = None

    @property
    def of_boxes(self) -> Optional['SweepResult']:
        """The result as it is by boxes alone, where masks are compared."""
        if self.boxes is None:
            return None
        return replace(self, comparison=self.boxes, dose=None, boxes=None)

    @property
    def failed(self) -> tuple[Run, ...]:
        """The runs that are not finished."""
        return tuple(run for run in self.runs if run.state != FINISHED)

    @property
    def finished(self) -> dict[str, tuple[Run, ...]]:
        """The finished runs by arm, in the order of the comparison."""
        return {
            arm: tuple(run for run in self.runs if run.arm == arm and run.state == FINISHED)
            for arm in self.comparison.arms
        }

    @property
    def health(self) -> dict[str, tuple[RunHealth, ...]]:
        """What attention did in the finished runs, by arm; arms without attention are absent."""
        by_arm = {
            arm: tuple(run.health for run in runs if run.health is not None)
            for arm, runs in self.finished.items()
        }
        return {
            arm: health
            for arm, health in by_arm.items()
            if any(run.distance is not None or run.change is not None for run in health)
        }

    def path(self, folder: Path, name: str) -> Path:
        """Return where a file of the result lies: relative paths are below the sweep's folder."""
        return folder / name

    def tables(self) -> list[Table]:
        tables = [*self.comparison.tables()]
        if self.dose is not None:
            tables += self.dose.tables()
        if self.boxes is not None:
            tables.append(shape_table((self.comparison, self.boxes)))
        return [*tables, cost_table(self.costs)]

    def rows(self) -> list[dict[str, Any]]:
        return self.comparison.rows()

    def plot(self) -> 'go.Figure':
        return self.comparison.plot()

    def __str__(self) -> str:
        if self.boxes is None:
            return str(self.comparison)
        return f'{self.comparison}\n\n{shape_table((self.comparison, self.boxes)).text()}'


def shape_table(comparisons: Sequence[Comparison]) -> Table:
    """Return the arms by masks and by boxes, one below the other.

    Args:
        comparisons: Of the same arms, on the same test set.
    """
    most = comparisons[0].scopes[-1]
    rows = [
        (
            f'{arm}, {comparison.shape}',
            comparison.verdicts[arm].word,
            *(_before_and_after(comparison, arm, scope) for scope in (OVERALL, most)),
            *(_cell(comparison.effect(arm, scope)) for scope in (OVERALL, most)),
            _cell(comparison.gain(arm)),
        )
        for arm in comparisons[0].effects
        for comparison in comparisons
    ]
    scopes = [f'{what} {scope}' for what in ('AP', 'effect') for scope in (OVERALL, most)]
    header = ('arm', 'verdict', *scopes, 'clutter gain')
    return Table('Masks and boxes: AP and effects in points', header, rows)


def _before_and_after(comparison: Comparison, arm: str, scope: str) -> str:
    metrics = [comparison.arms[name].metrics[scope]['AP'] for name in (comparison.baseline, arm)]
    return ' \N{RIGHTWARDS ARROW} '.join(map(points_or_missing, metrics))


def _cell(effect: EstimateOrRefused) -> str:
    return MISSING if isinstance(effect, Refused) else str(effect)
