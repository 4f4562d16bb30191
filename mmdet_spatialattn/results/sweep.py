"""The result of a sweep: its plan, its runs, their comparison."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Union

from ..tables import Table
from .audit import Audit
from .base import Result
from .comparison import Comparison
from .cost import Cost, cost_table
from .dose_response import DoseResponse
from .estimates import Refused
from .health import RunHealth

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
        return f'{self.name}/detections.bbox.json'

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
        comparison: The arms against the baseline.
        dose: The arms by dose of clutter, where the plan asks for it.
        costs: By arm. Measured times differ between measurements; they stand in ``cost.json``.
        audits: By arm, the inserted attention.
        differences: By arm, how its config differs from the baseline's, as a unified diff.
        runs: All planned runs.
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
        return [*tables, cost_table(self.costs)]

    def rows(self) -> list[dict[str, Any]]:
        return self.comparison.rows()

    def plot(self) -> 'go.Figure':
        return self.comparison.plot()

    def __str__(self) -> str:
        return str(self.comparison)
