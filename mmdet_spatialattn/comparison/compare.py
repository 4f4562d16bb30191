"""Which detector is better, and is it better in clutter? Arms against a baseline, with intervals.

An *arm* is one or more runs of a detector, trained with different seeds. Its *effect* is how much
higher its metric is than the baseline's; its *clutter gain* is its effect in the most cluttered
stratum minus that in the least. The gain, not the effect in clutter, answers the question: more
parameters lift everything.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Optional

import numpy as np

from ..clutter import ENOUGH, SIZES, Scope, StrataLike, stratify
from ..coco import AnnotationSource, load_annotations
from ..errors import UserError, did_you_mean
from ..evaluation import (
    ERROR_METRIC,
    ERROR_TYPES,
    MAX_DETECTIONS,
    CurveKey,
    EvaluationTask,
    RunEvaluation,
    evaluate_run,
)
from ..processors import Progress, silent
from ..results import (
    OVERALL,
    ArmResult,
    Bounds,
    Comparison,
    ComparisonSettings,
    Look,
    Power,
    Question,
    Refused,
    TestSet,
)
from ..results.comparison import PLAIN, SIZE_ADJUSTED
from ..results.estimates import Effects, EstimateOrRefused, Metrics
from ..tables import points
from .effects import LooksTaken, Runs, Seeds, effects, paired_differences, refused_alike
from .inference import LEVEL, POWER
from .power import power_of_pilot, stored_components
from .runs import Arms, check_arms, check_seeds, evaluate_arms, notes_on_runs
from .sequential import Decision, Plan, follow, seeds_for_delta
from .verdict import Evidence, judge

MOST_SEEDS = 40
"""More seeds than this are not proposed."""

Combination = Sequence[tuple[float, Scope]]
"""A weighted sum over scopes."""

Metric = tuple[str, Optional[str]]
"""The metric and the error type of replicates."""

ByArm = dict[str, EstimateOrRefused]


def compare(
    annotations: AnnotationSource,
    arms: Arms,
    *,
    baseline: Optional[str] = None,
    strata: StrataLike = 'cover',
    n_boot: int = 1000,
    seed: int = 0,
    engine: str = 'auto',
    iou_type: str = 'bbox',
    max_detections: tuple[int, ...] = MAX_DETECTIONS,
    threads: Optional[int] = None,
    progress: Progress = silent,
    group_by: Optional[str] = None,
    seeds: Optional[Seeds] = None,
    questions: Sequence[tuple[str, str]] = (),
    delta: float = 0.005,
    looks: Sequence[int] = (),
    withheld: Mapping[str, str] = MappingProxyType({}),
) -> Comparison:
    """Compare arms with a baseline, overall, in every stratum, and the strata with each other.

    The same ``seed`` gives the same numbers on any number of threads.

    Args:
        annotations: A COCO annotation file, its content, or loaded annotations.
        arms: By arm, the detections of its runs, one per training seed: files, their content, or
            loaded detections.
        baseline: The arm that the others are compared with; the first by default.
        strata: ``'cover:0.1,0.3'`` and the like (see
            :meth:`~mmdet_spatialattn.clutter.Strata.parse`), or objects sorted already.
        n_boot: Number of bootstrap replicates.
        seed: Seed of the bootstrap.
        engine: Matching backend: ``'auto'``, ``'compiled'``, or ``'pycocotools'``, the slow
            reference.
        iou_type: ``'bbox'`` or ``'segm'``.
        max_detections: COCO's ``maxDets``, rising.
        threads: Number of threads; one per processor by default.
        progress: Wraps the steps, whose number it is given, to show progress.
        group_by: A field of the file's images, such as ``'scene'`` or ``'video_id'``: images with
            the same value are not independent, and are resampled together.
        seeds: By arm, the training seed of every run, or the seed of its base and its own. Runs
            are then compared seed by seed, which sees far smaller effects.
        questions: Primary questions, each a metric and a scope (``'overall'`` or a stratum); they
            share the error budget. By default the AP overall and in the most cluttered stratum.
        delta: Effects within ``-delta`` to ``delta`` count as equivalent; 0.005 is half a point.
        looks: Numbers of seeds at which the comparison is read while seeds are added, planned
            before the first run. The simultaneous intervals account for them, and the result says
            which arms are still open.
        withheld: Arms that get no verdict whatever their numbers are, and why.

    Raises:
        UserError: A file is broken or does not belong to the annotations; there are fewer than two
            arms, an arm has no run or the same run twice, the baseline is unknown; an image lacks
            the field to group by, or there are too few groups; the seeds are not one per run, or
            an arm shares none with the baseline; a question is unknown; there are looks and no
            seeds, or the looks do not rise.
    """
    checked, baseline = check_arms(arms, baseline=baseline, n_boot=n_boot)
    truth = load_annotations(annotations)
    task = EvaluationTask(
        truth,
        stratify(truth, strata),
        iou_type=iou_type,
        max_detections=tuple(sorted(max_detections)),
        engine=engine,
        group_by=group_by,
    )
    runs = evaluate_arms(
        evaluate_run, task, checked, n_boot=n_boot, seed=seed, threads=threads, progress=progress
    )
    comparer = _Comparer(task, runs, baseline, seeds, questions, delta, looks, withheld)
    return comparer.comparison(n_boot, seed)


class _Comparer:
    """Computes a comparison from evaluated runs."""

    def __init__(
        self,
        task: EvaluationTask,
        runs: dict[str, list[RunEvaluation]],
        baseline: str,
        seeds: Optional[Seeds],
        questions: Sequence[tuple[str, str]],
        delta: float,
        looks: Sequence[int],
        withheld: Mapping[str, str],
    ) -> None:
        self.task, self.runs, self.baseline = task, runs, baseline
        self.delta, self.withheld = delta, withheld
        names = task.strata.names
        self.scopes = {OVERALL: Scope(), **{name: Scope(i) for i, name in enumerate(names)}}
        self.others = [arm for arm in runs if arm != baseline]
        self.replicated = runs[baseline][0].replicates
        metrics = dict.fromkeys(key.metric for key in self.replicated if key.error is None)
        self.metrics: dict[str, Metric] = {metric: (metric, None) for metric in metrics}
        self.errors: dict[str, Metric] = {error: (ERROR_METRIC, error) for error in ERROR_TYPES}
        self.keys = check_seeds(seeds, {arm: len(r) for arm, r in runs.items()}, baseline)
        self.questions = self._check(questions or [('AP', OVERALL), ('AP', names[-1])])
        if looks and self.keys is None:
            raise UserError('looks: runs that are added are compared seed by seed; give the seeds')
        self.plan = Plan(looks=tuple(looks), delta=delta) if looks else None
        self.decisions = {} if self.plan is None else self._follow(self.plan)
        looks_taken = {arm: self._look(arm) for arm in self.others}
        self.taken = None if self.plan is None else LooksTaken(self.plan, looks_taken)

    def _check(self, questions: Sequence[tuple[str, str]]) -> tuple[Question, ...]:
        for metric, scope in questions:
            for kind, name, known in (
                ('metric', metric, self.metrics),
                ('scope', scope, self.scopes),
            ):
                if name not in known:
                    raise UserError(
                        f"question: unknown {kind} '{name}'{did_you_mean(name, known)} "
                        f'(known: {", ".join(known)})'
                    )
        return tuple(Question(*question) for question in dict.fromkeys(questions))

    def _follow(self, plan: Plan) -> dict[str, tuple[Decision, ...]]:
        """Take the looks that the runs allow; return the decisions on every arm, by question.

        Arms whose verdict is withheld are not waited for, and stay undecided.
        """
        arms = [arm for arm in self.others if arm not in self.withheld]
        if not arms:
            return {}
        followed = follow(
            [self._differences(question, arms) for question in self.questions],
            [self._n_units(self.scopes[question.scope]) for question in self.questions],
            plan,
        )
        return dict(zip(arms, zip(*followed.decisions)))

    def _differences(self, question: Question, arms: Sequence[str]) -> np.ndarray:
        """Return the differences of arms from the baseline, ``(M, L, K, 1 + B)``."""
        metric, scopes = self.metrics[question.metric], [(1.0, self.scopes[question.scope])]
        runs = {arm: self._combined(arm, metric, scopes) for arm in arms}
        return paired_differences(runs, self._combined(self.baseline, metric, scopes))

    def _states(self, decisions: Sequence[Decision]) -> dict[str, str]:
        return {str(q): decision.state for q, decision in zip(self.questions, decisions)}

    def _look(self, arm: str) -> int:
        """Return the number of seeds of an arm at its last look; 0 before any."""
        return max((decision.look for decision in self.decisions.get(arm, ())), default=0)

    def _power(self) -> dict[str, Power]:
        """Return what a comparison like this could see, by primary question."""
        powers: dict[str, Power] = {}
        if self.keys is None:
            return powers
        for question in self.questions:
            scope = self.scopes[question.scope]
            if self.task.refusal(scope) is not None:
                continue
            with contextlib.suppress(UserError):  # of a pilot that says nothing
                powers[str(question)] = power_of_pilot(
                    question,
                    self._differences(question, self.others),
                    self._n_units(scope),
                    level=1 - (1 - LEVEL) / len(self.questions),
                )
        return powers

    def _out_of_reach(self, powers: Mapping[str, Power]) -> Iterator[str]:
        """Yield a note per question whose looks cannot show that an arm is equivalent."""
        if self.plan is None:
            return
        for question, power in powers.items():
            plan = replace(self.plan, level=power.level)
            seeds = seeds_for_delta(stored_components(power), power.n_arms, plan)
            if seeds is not None and seeds <= plan.looks[-1]:
                continue
            needed = 'more test images' if seeds is None else f'about {seeds} seeds'
            yield (
                f'{question}: it takes {needed} to show that an arm is equivalent within '
                f'±{points(self.delta, decimals=2)}, and the last look has {plan.looks[-1]} seeds'
            )

    def comparison(self, n_boot: int, seed: int) -> Comparison:
        task, truth = self.task, self.task.annotations
        by_scope = {name: self._in_scope(name, self.metrics) for name in self.scopes}
        gains = self._gains()
        effects = _by_arm(self.others, by_scope)
        power = self._power()
        return Comparison(
            test_set=TestSet(
                file=truth.source,
                images=task.n_images,
                objects=int((~truth.iscrowd).sum()),
                crowd_regions=int(truth.iscrowd.sum()),
                classes=len(truth.category_ids),
            ),
            settings=ComparisonSettings(
                baseline=self.baseline,
                iou_type=task.iou_type,
                max_detections=task.max_detections,
                engine=task.engine,
                n_boot=n_boot,
                seed=seed,
                level=LEVEL,
                power=POWER,
                measure=task.strata.measure,
                cuts=task.strata.cuts,
                group_by=task.group_by,
                paired=self.keys is not None,
                delta=self.delta,
                questions=self.questions,
                looks=() if self.plan is None else self.plan.looks,
            ),
            strata=task.describe_strata(),
            arms={arm: _summarise(runs) for arm, runs in self.runs.items()},
            effects=effects,
            error_effects=_by_arm(
                self.others, {name: self._in_scope(name, self.errors) for name in self.scopes}
            ),
            clutter_gain=_by_arm(self.others, gains),
            verdicts={
                arm: judge(self._evidence(arm, effects[arm], gains[PLAIN]['AP'][arm]))
                for arm in self.others
            },
            notes=tuple(dict.fromkeys((*self._notes(), *self._out_of_reach(power)))),
            looks={
                arm: Look(self._look(arm), self._states(decisions))
                for arm, decisions in self.decisions.items()
            },
            power=power,
        )

    def _in_scope(self, name: str, metrics: Mapping[str, Metric]) -> dict[str, ByArm]:
        """Return the effects of all arms in one scope, by metric."""
        scope = self.scopes[name]
        refusal = self.task.refusal(scope)
        return {
            metric: self._answer(key, [(1, scope)], refusal, Question(metric, name))
            for metric, key in metrics.items()
        }

    def _answer(
        self,
        metric: Metric,
        scopes: Combination,
        refusal: Optional[Refused],
        question: Optional[Question] = None,
    ) -> ByArm:
        """Estimate the effects of all arms on a weighted sum of one metric over several scopes."""
        if refusal is not None:
            return refused_alike(self.others, refusal)
        return effects(
            {arm: self._combined(arm, metric, scopes) for arm in self.others},
            self._combined(self.baseline, metric, scopes),
            self._n_units(*(scope for _, scope in scopes)),
            paired=self.keys is not None,
            n_questions=len(self.questions) if question in self.questions else 1,
            taken=self.taken,
        )

    def _combined(self, arm: str, metric: Metric, scopes: Combination) -> Runs:
        """Return a weighted sum of one metric over several scopes, of every run of an arm."""
        name, error = metric
        values = [
            sum(w * run.replicates[CurveKey(s, name, error=error)] for w, s in scopes)
            for run in self.runs[arm]
        ]
        return Runs(np.stack(values), None if self.keys is None else self.keys[arm])

    def _n_units(self, *scopes: Scope) -> int:
        return min(self.task.counts[scope].units for scope in scopes)

    def _gains(self) -> dict[str, dict[str, ByArm]]:
        """Return the clutter gains of all arms, by kind and metric."""
        least, most = Scope(0), Scope(len(self.task.strata.names) - 1)
        refusal = self.task.refusal(most, least)
        if most == least:
            refusal = Refused('there is one stratum only')
        cells, cells_refusal = self._size_cells(least.stratum or 0, most.stratum or 0)
        sized = {
            name: key
            for name, key in self.metrics.items()
            if CurveKey(Scope(0, 'small'), name) in self.replicated
        }
        return {
            PLAIN: {
                name: self._answer(key, [(1, most), (-1, least)], refusal)
                for name, key in self.metrics.items()
            },
            SIZE_ADJUSTED: {
                name: self._answer(key, cells, refusal or cells_refusal)
                for name, key in sized.items()
            },
        }

    def _size_cells(self, least: int, most: int) -> tuple[Combination, Optional[Refused]]:
        """Return the gain as a sum over sizes, weighted by the sizes of the most cluttered one."""
        task = self.task
        sizes = [z for z in SIZES if task.refusal(Scope(most, z), Scope(least, z)) is None]
        held = {size: task.counts[Scope(most, size)].objects for size in SIZES}
        usable, total = sum(held[size] for size in sizes), sum(held.values())
        if 2 * usable < total or not usable:
            return [], Refused(
                f'sizes with {ENOUGH} objects in both strata hold {usable} of the {total} objects '
                f"of '{task.strata.names[most]}'; it takes half of them"
            )
        cells: list[tuple[float, Scope]] = []
        for size in sizes:
            share = held[size] / usable
            cells += [(share, Scope(most, size)), (-share, Scope(least, size))]
        return cells, None

    def _evidence(
        self, arm: str, effects: Mapping[str, Effects], gain: EstimateOrRefused
    ) -> Evidence:
        baseline = _summarise(self.runs[self.baseline]).metrics
        counts = [len(self.runs[arm]), len(self.runs[self.baseline])]
        if self.keys is not None:
            counts.append(len(set(self.keys[arm]) & set(self.keys[self.baseline])))
        if self.taken is not None:
            counts = [self.taken.looks[arm]]
        return Evidence(
            effects={scope: effects[scope]['AP'] for scope in self.scopes},
            gain=gain,
            baseline={scope: baseline[scope]['AP'] for scope in self.scopes},
            n_trainings=min(counts),
            delta=self.delta,
            more_seeds=self._more_seeds(arm, effects[OVERALL]['AP'], min(counts)),
            identical=self._is_identical(arm),
            withheld=self.withheld.get(arm, ''),
        )

    def _more_seeds(self, arm: str, effect: EstimateOrRefused, n: int) -> Optional[int]:
        decisions = self.decisions.get(arm)
        if not decisions:
            return _more_seeds(effect, n, self.delta)
        numbers = [decision.more_seeds for decision in decisions]
        return None if None in numbers else max(number or 0 for number in numbers)

    def _is_identical(self, arm: str) -> bool:
        """Return whether every run of an arm scores as the baseline's run, in all replicates."""
        ap, pairs = CurveKey(Scope(), 'AP'), zip(self.runs[arm], self.runs[self.baseline])
        return all(
            np.array_equal(run.replicates[ap], base.replicates[ap], equal_nan=True)
            for run, base in pairs
        )

    def _notes(self) -> Iterator[str]:
        task = self.task
        yield from task.annotations.notes
        unsorted = int(((task.strata.labels < 0) & ~task.annotations.iscrowd).sum())
        if unsorted:
            yield f'{unsorted} objects have no {task.strata.measure}: they are in no stratum'
        for scope in self.scopes.values():
            refusal = task.refusal(scope)
            if refusal is not None:
                yield f'nothing is concluded from {refusal}'
        for arm, runs in self.runs.items():
            for run in runs:
                yield from run.evaluation.notes
            if _any_equal(run.replicates[CurveKey(Scope(), 'AP')] for run in runs):
                yield f"'{arm}' has runs with the same detections: were the seeds the same?"
        yield from notes_on_runs({arm: len(runs) for arm, runs in self.runs.items()})


def _summarise(runs: Sequence[RunEvaluation]) -> ArmResult:
    """Average the metrics and the numbers of errors over the runs of an arm."""
    evaluations = tuple(run.evaluation for run in runs)
    first = evaluations[0]
    return ArmResult(
        metrics={
            scope: _mean([evaluation.metrics[scope] for evaluation in evaluations])
            for scope in first.metrics
        },
        errors={
            scope: {
                kind: float(np.mean([evaluation.errors[scope][kind] for evaluation in evaluations]))
                for kind in counts
            }
            for scope, counts in first.errors.items()
        },
        runs=evaluations,
    )


def _by_arm(
    arms: Sequence[str], entries: Mapping[str, Mapping[str, ByArm]]
) -> dict[str, dict[str, Effects]]:
    """Sort effects by scope, metric and arm by arm first."""
    return {
        arm: {
            scope: {metric: by_arm[arm] for metric, by_arm in metrics.items()}
            for scope, metrics in entries.items()
        }
        for arm in arms
    }


def _more_seeds(effect: EstimateOrRefused, n: int, delta: float) -> Optional[int]:
    """Return about how many more seeds would settle an effect, if its estimate stays as it is.

    The interval must shrink until it leaves out 0, or lies within ``delta``. The part of the
    variance that is due to the images stays, so that no number of seeds may be enough.
    """
    if isinstance(effect, Refused) or not isinstance(effect.simultaneous, Bounds):
        return None
    reach = (effect.simultaneous.high - effect.simultaneous.low) / 2
    wanted = max(abs(effect.estimate), delta - abs(effect.estimate))
    if reach <= wanted:
        return 1
    total = n * (reach / wanted) ** 2
    return math.ceil(total) - n if total <= MOST_SEEDS else None


def _mean(runs: Sequence[Metrics]) -> Metrics:
    """Average metrics over runs; one refusal refuses the mean."""
    means: Metrics = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        refusals = [value for value in values if isinstance(value, Refused)]
        means[name] = refusals[0] if refusals else float(np.mean(values))
    return means


def _any_equal(replicates: Iterable[np.ndarray]) -> bool:
    rows = list(replicates)
    return any((a == b).all() for i, a in enumerate(rows) for b in rows[:i])
