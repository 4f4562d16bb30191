"""The comparison of arms with a baseline."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Optional

from ..errors import UserError, did_you_mean
from ..plots import EFFECT_TITLE, GAIN_STYLES, WORSE_BETTER, Series, forest, scope_series
from ..tables import MISSING, Table, estimate_points, interval_points, p_value
from .base import Result
from .estimates import (
    Bounds,
    Effects,
    Estimate,
    EstimateOrRefused,
    IntervalOrRefused,
    Metrics,
    Refused,
    drawn,
    drawn_twice,
    points_or_missing,
)
from .evaluation import Evaluation
from .power import Power
from .test_set import OVERALL, ClassSize, Stratum, TestSet, strata_table

if TYPE_CHECKING:
    import plotly.graph_objects as go

PLAIN, SIZE_ADJUSTED = 'plain', 'size_adjusted'
"""Kinds of clutter gain."""

SHAPES = {'bbox': 'boxes', 'segm': 'masks'}
"""What the IoU is computed of, by ``iou_type``."""


@dataclass(frozen=True)
class Question:
    """What a comparison asks of every arm: its effect on a metric in a scope."""

    metric: str
    scope: str

    def __str__(self) -> str:
        return f'{self.metric} {self.scope}'


@dataclass(frozen=True)
class ComparisonSettings:
    """How a comparison was computed; with the files, this lets somebody repeat it.

    Attributes:
        baseline: The arm that the others are compared with.
        iou_type: ``'bbox'`` or ``'segm'``.
        max_detections: COCO's ``maxDets``, rising.
        engine: Matching backend.
        n_boot: Number of bootstrap replicates.
        seed: Seed of the bootstrap.
        level: Confidence level of the intervals; tests use ``1 - level``.
        power: Chance with which the smallest detectable effect is found.
        measure: Clutter measure of the strata; empty where labels were given.
        cuts: Cut points of the strata.
        group_by: Field of the images; those with the same value are resampled together.
        paired: Whether runs are compared seed by seed.
        delta: Effects within ``-delta`` to ``delta`` count as equivalent.
        questions: The primary questions, which share the error budget.
        looks: Numbers of seeds at which the comparison is read while seeds are added; empty where
            their number was fixed.
    """

    baseline: str
    iou_type: str
    max_detections: tuple[int, ...]
    engine: str
    n_boot: int
    seed: int
    level: float
    power: float
    measure: str
    cuts: tuple[float, ...]
    group_by: Optional[str] = None
    paired: bool = False
    delta: float = 0.005
    questions: tuple[Question, ...] = ()
    looks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Look:
    """How far an arm is settled, where seeds are added until it is clear.

    Attributes:
        seeds: Its number of seeds at the last look; 0 before the first one.
        states: By question: ``'open'``, ``'better'``, ``'worse'``, ``'equivalent'`` or
            ``'futile'``, if no planned look is likely to settle it.
    """

    seeds: int
    states: dict[str, str]

    @property
    def open(self) -> bool:
        """Whether further seeds are to be run."""
        return 'open' in self.states.values()


@dataclass(frozen=True)
class ArmResult:
    """The runs of one arm.

    Attributes:
        metrics: By scope and metric, the mean over the runs.
        errors: By scope and error type, the mean number of errors.
        runs: The evaluation of every run.
        intervals: By scope, the AP with its interval; empty in files that were written without.
        classes: By class, the AP on all objects with its interval; empty with one class only.
    """

    metrics: dict[str, Metrics]
    errors: dict[str, dict[str, float]]
    runs: tuple[Evaluation, ...]
    intervals: dict[str, IntervalOrRefused] = field(default_factory=dict)
    classes: dict[str, IntervalOrRefused] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What was found about one arm.

    Attributes:
        word: A few words, always the same ones for the same finding.
        sentence: The finding with the numbers behind it.
    """

    word: str
    sentence: str


@dataclass(frozen=True)
class Comparison(Result):
    """Arms against a baseline, overall, in every stratum, and the strata with each other.

    Attributes:
        test_set: What the arms were evaluated on.
        settings: How the comparison was computed.
        strata: The strata, the least cluttered first.
        arms: The runs of every arm, the baseline among them.
        effects: By arm, scope and metric.
        error_effects: By arm, scope and error type of TIDE: change of the AP50 that the type costs.
        clutter_gain: By arm, kind (``'plain'`` or ``'size_adjusted'``) and metric: the effect in
            the most cluttered stratum minus that in the least.
        verdicts: By arm.
        notes: What a user should know, one sentence each.
        looks: By arm, how far it is settled, where seeds are added until it is clear.
        power: By scope, what a comparison like this could see with more or fewer seeds, where runs
            are paired.
        classes: The classes of the test set.
        class_effects: By arm and class, the effect on the AP on all objects; empty with one class
            only. Their intervals hold for every class by itself.
    """

    FORMAT: ClassVar[str] = 'comparison'

    test_set: TestSet
    settings: ComparisonSettings
    strata: tuple[Stratum, ...]
    arms: dict[str, ArmResult]
    effects: dict[str, dict[str, Effects]]
    error_effects: dict[str, dict[str, Effects]]
    clutter_gain: dict[str, dict[str, Effects]]
    verdicts: dict[str, Verdict]
    notes: tuple[str, ...]
    looks: dict[str, Look] = field(default_factory=dict)
    power: dict[str, Power] = field(default_factory=dict)
    classes: tuple[ClassSize, ...] = ()
    class_effects: dict[str, Effects] = field(default_factory=dict)

    @property
    def baseline(self) -> str:
        """Name of the arm that the others are compared with."""
        return self.settings.baseline

    @property
    def shape(self) -> str:
        """``'boxes'`` or ``'masks'``, whichever are compared."""
        return SHAPES[self.settings.iou_type]

    @property
    def ap(self) -> str:
        """Name of the AP for readers: ``'AP'`` of boxes, and ``'mask AP'``."""
        return ap_name(self.settings.iou_type)

    @property
    def scopes(self) -> tuple[str, ...]:
        """``'overall'`` and the strata, the least cluttered first."""
        return (OVERALL, *(stratum.name for stratum in self.strata))

    def effect(self, arm: str, scope: str = OVERALL, metric: str = 'AP') -> EstimateOrRefused:
        """Return the effect of an arm on a metric.

        Raises:
            UserError: There is no such arm, scope or metric.
        """
        scopes = _entry(self.effects, 'arm', arm)
        return _entry(_entry(scopes, 'scope', scope), 'metric', metric)

    def gain(self, arm: str, kind: str = PLAIN, metric: str = 'AP') -> EstimateOrRefused:
        """Return the clutter gain of an arm.

        Raises:
            UserError: There is no such arm, kind or metric.
        """
        kinds = _entry(self.clutter_gain, 'arm', arm)
        return _entry(_entry(kinds, 'kind of clutter gain', kind), 'metric', metric)

    def tables(self) -> list[Table]:
        return [
            strata_table(self.strata),
            self.metric_table(),
            *(self.effect_table(arm) for arm in self.effects),
        ]

    def metric_table(self, metric: str = 'AP') -> Table:
        """Return a metric of every arm in every scope, the mean over its runs."""
        rows = [
            (
                arm,
                str(len(result.runs)),
                *(points_or_missing(result.metrics[scope][metric]) for scope in self.scopes),
            )
            for arm, result in self.arms.items()
        ]
        caption = f'{self._named(metric)} in points, mean over the runs'
        return Table(caption, ('arm', 'runs', *self.scopes), rows)

    def effect_table(self, arm: str, metric: str = 'AP') -> Table:
        """Return the effects of an arm on a metric and its clutter gains."""
        level = f'{self.settings.level:.0%} interval'
        effect = f'effect on {self._named(metric)}'
        header = ('', effect, level, 'over all arms', 'p', 'found 4 in 5 from')
        rows = [(scope, *_cells(self.effect(arm, scope, metric))) for scope in self.scopes]
        for kind, title in ((PLAIN, 'clutter gain'), (SIZE_ADJUSTED, '  size-adjusted')):
            rows.append((title, *_cells(self.gain(arm, kind, metric))))
        return Table(f'{arm} against {self.baseline}', header, rows)

    def class_table(self, arm: str) -> Table:
        """Return the AP of an arm and of the baseline by class, and the effects on it."""
        effects = _entry(self.class_effects, 'arm', arm)
        level = f'{self.settings.level:.0%} interval'
        base, own = self.arms[self.baseline].classes, self.arms[arm].classes
        rows = [
            (
                size.name,
                str(size.objects),
                *(_interval_cell(entries[size.name]) for entries in (base, own)),
                *_cells(effects[size.name])[:4],
            )
            for size in self.classes
            if size.name in effects
        ]
        names = (f'{self.ap}, {self.baseline}', f'{self.ap}, {arm}')
        header = ('class', 'objects', *names, 'effect', level, 'over all arms', 'p')
        return Table(f'{self.ap} by class in points: {arm}', header, rows)

    def effect_series(self, metric: str = 'AP') -> list[Series]:
        """Return the effects on a metric as series of a figure: a row per arm."""
        return scope_series(
            self.scopes,
            {
                arm: {scope: drawn_twice(self.effect(arm, scope, metric)) for scope in self.scopes}
                for arm in self.effects
            },
        )

    def level_series(self) -> list[Series]:
        """Return the AP of every arm, the baseline among them, as series of a figure."""
        rows = {
            arm: {scope: drawn(self.arms[arm].intervals[scope]) for scope in self.scopes}
            for arm in (*self.effects, self.baseline)
            if self.arms[arm].intervals
        }
        return scope_series(self.scopes, rows)

    def gain_series(self, metric: str = 'AP') -> list[Series]:
        """Return the clutter gains in a metric as series of a figure: a row per arm."""
        titles = {PLAIN: 'clutter gain', SIZE_ADJUSTED: 'size-adjusted'}
        return [
            Series(
                title,
                {arm: drawn_twice(self.gain(arm, kind, metric)) for arm in self.effects},
                *style,
            )
            for (kind, title), style in zip(titles.items(), GAIN_STYLES.values())
        ]

    def plot(self) -> 'go.Figure':
        """Return a figure of every arm's effects on AP and its clutter gain."""
        series = [*self.effect_series(), self.gain_series()[0]]
        return forest(
            series,
            list(self.effects),
            title=f'{EFFECT_TITLE} against {self.baseline}',
            sides=WORSE_BETTER,
            equivalent=self.settings.delta,
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per estimate: arm, quantity, scope, metric, and the estimate's numbers."""
        by_class = {
            arm: {name: {'AP': effect} for name, effect in effects.items()}
            for arm, effects in self.class_effects.items()
        }
        quantities = {
            'effect': self.effects,
            'class effect': by_class,
            'clutter gain': self.clutter_gain,
            'error effect': self.error_effects,
        }
        return [
            {'quantity': quantity, 'arm': arm, 'scope': scope, 'metric': metric, **asdict(effect)}
            for quantity, arms in quantities.items()
            for arm, scope, metric, effect in _leaves(arms)
            if isinstance(effect, Estimate)
        ]

    def _named(self, metric: str) -> str:
        return self.ap if metric == 'AP' else metric

    def __str__(self) -> str:
        sentences = [f'{arm}: {verdict.sentence}' for arm, verdict in self.verdicts.items()]
        notes = [f'Note: {note}' for note in self.notes]
        return '\n\n'.join([str(self.test_set), super().__str__(), *sentences, *notes])


def ap_name(iou_type: str) -> str:
    """Return the name of the AP for readers: ``'AP'`` of boxes, and ``'mask AP'``."""
    return 'mask AP' if iou_type == 'segm' else 'AP'


def _entry(entries: Mapping[str, Any], kind: str, name: str) -> Any:
    if name not in entries:
        known = ', '.join(entries) or 'none'
        raise UserError(f"unknown {kind} '{name}'{did_you_mean(name, entries)} (known: {known})")
    return entries[name]


def _leaves(
    arms: Mapping[str, Mapping[str, Effects]],
) -> Iterator[tuple[str, str, str, EstimateOrRefused]]:
    for arm, scopes in arms.items():
        for scope, effects in scopes.items():
            for metric, effect in effects.items():
                yield arm, scope, metric, effect


def _interval_cell(entry: IntervalOrRefused) -> str:
    return MISSING if isinstance(entry, Refused) else str(entry)


def _cells(effect: EstimateOrRefused) -> tuple[str, ...]:
    if isinstance(effect, Refused):
        return MISSING, '', '', '', ''
    return (
        estimate_points(effect.estimate, effect.low, effect.high, signed=True),
        interval_points(effect.low, effect.high, signed=True),
        str(effect.simultaneous) if isinstance(effect.simultaneous, Bounds) else MISSING,
        p_value(effect.p_adjusted),
        estimate_points(effect.detectable, effect.low, effect.high),
    )
