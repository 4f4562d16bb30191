"""Which detector is better, and is it better in clutter? Arms against a baseline, with intervals.

An *arm* is one or more runs of a detector, trained with different seeds. Its *effect* is how much
higher its metric is than the baseline's; its *clutter gain* is its effect in the most cluttered
stratum minus that in the least. The gain, not the effect in clutter, answers the question: more
parameters lift everything.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Optional

import numpy as np

from ..clutter import Scope, StrataLike, stratify
from ..coco import AnnotationSource, load_annotations
from ..errors import UserError
from ..evaluation import (
    MAX_DETECTIONS,
    CurveKey,
    EvaluationTask,
    RunEvaluation,
    evaluate_run,
)
from ..processors import Progress, silent
from ..results import (
    ArmResult,
    Bounds,
    ClassSize,
    Comparison,
    ComparisonSettings,
    Estimate,
    Power,
    Refused,
    TestSet,
)
from ..results.comparison import PLAIN, ap_name
from ..results.estimates import Effects, EstimateOrRefused, Metrics
from .effects import LooksTaken, Seeds
from .estimator import ByArm, Estimator
from .inference import LEVEL, POWER
from .prospects import Decisions, follow_looks, last_look, look_of, notes_on_reach, powers_of
from .runs import Arms, check_arms, check_seeds, evaluate_arms, join_alike, notes_on_runs
from .sequential import Plan
from .verdict import Evidence, judge

MOST_SEEDS = 40
"""More seeds than this are not proposed."""


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
    if looks and seeds is None:
        raise UserError('looks: runs that are added are compared seed by seed; give the seeds')
    plan = Plan(looks=tuple(looks), delta=delta) if looks else None
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
    keys = check_seeds(seeds, {arm: len(entries) for arm, entries in runs.items()}, baseline)
    estimator = Estimator(task, runs, baseline, keys=keys, questions=questions)
    return _Comparer(estimator, plan, delta, withheld).comparison(n_boot, seed)


class _Comparer:
    """Puts a comparison together from evaluated runs."""

    def __init__(
        self,
        estimator: Estimator,
        plan: Optional[Plan],
        delta: float,
        withheld: Mapping[str, str],
    ) -> None:
        self.estimator, self.task, self.runs = estimator, estimator.task, estimator.runs
        self.plan, self.delta, self.withheld = plan, delta, withheld
        self.decisions: Decisions = {}
        if plan is not None:
            judged = [arm for arm in estimator.others if arm not in withheld]
            self.decisions = follow_looks(estimator, plan, judged)
            looks = {arm: last_look(self.decisions.get(arm, ())) for arm in estimator.others}
            estimator.taken = LooksTaken(plan, looks)

    def comparison(self, n_boot: int, seed: int) -> Comparison:
        estimator, task, truth = self.estimator, self.task, self.task.annotations
        by_scope = {name: estimator.in_scope(name, estimator.metrics) for name in estimator.scopes}
        errors = {name: estimator.in_scope(name, estimator.errors) for name in estimator.scopes}
        gains = estimator.gains()
        effects = _by_arm(estimator.others, by_scope)
        power = powers_of(estimator)
        by_class = estimator.class_effects()
        return Comparison(
            test_set=TestSet(
                file=truth.source,
                images=task.n_images,
                objects=int((~truth.iscrowd).sum()),
                crowd_regions=int(truth.iscrowd.sum()),
                classes=len(truth.category_ids),
            ),
            settings=ComparisonSettings(
                baseline=estimator.baseline,
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
                paired=estimator.keys is not None,
                delta=self.delta,
                questions=estimator.questions,
                looks=() if self.plan is None else self.plan.looks,
            ),
            strata=task.describe_strata(),
            arms={
                arm: replace(
                    _summarise(runs),
                    intervals=estimator.levels(arm),
                    classes=estimator.classes(arm),
                )
                for arm, runs in self.runs.items()
            },
            effects=effects,
            error_effects=_by_arm(estimator.others, errors),
            clutter_gain=_by_arm(estimator.others, gains),
            verdicts={
                arm: judge(self._evidence(arm, effects[arm], gains[PLAIN]['AP'][arm]))
                for arm in estimator.others
            },
            notes=tuple(dict.fromkeys(self._notes(power))),
            looks={arm: look_of(estimator, decisions) for arm, decisions in self.decisions.items()},
            power=power,
            classes=tuple(
                ClassSize(name, counts.objects, counts.images)
                for name, counts in task.class_counts.items()
            ),
            class_effects={
                arm: {name: by_arm[arm] for name, by_arm in by_class.items()}
                for arm in estimator.others
            },
        )

    def _evidence(
        self, arm: str, effects: Mapping[str, Effects], gain: EstimateOrRefused
    ) -> Evidence:
        estimator, base = self.estimator, self.estimator.baseline
        baseline = _summarise(self.runs[base]).metrics
        counts = [len(self.runs[arm]), len(self.runs[base])]
        if estimator.keys is not None:
            counts.append(len(set(estimator.keys[arm]) & set(estimator.keys[base])))
        if estimator.taken is not None:
            counts = [estimator.taken.looks[arm]]
        return Evidence(
            effects={scope: effects[scope]['AP'] for scope in estimator.scopes},
            gain=gain,
            baseline={scope: baseline[scope]['AP'] for scope in estimator.scopes},
            n_trainings=min(counts),
            delta=self.delta,
            more_seeds=self._more_seeds(arm, effects, min(counts)),
            identical=self._is_identical(arm),
            withheld=self.withheld.get(arm, ''),
            ap=ap_name(self.task.iou_type),
        )

    def _more_seeds(self, arm: str, effects: Mapping[str, Effects], n: int) -> Optional[int]:
        """Return about how many more seeds would settle the effects overall and in clutter."""
        decisions = self.decisions.get(arm)
        if decisions:
            numbers = [decision.more_seeds for decision in decisions]
        else:
            scopes = list(self.estimator.scopes)
            asked = (effects[scope]['AP'] for scope in (scopes[0], scopes[-1]))
            numbers = [_more_seeds(e, n, self.delta) for e in asked if isinstance(e, Estimate)]
        return None if None in numbers else max((number or 0 for number in numbers), default=None)

    def _is_identical(self, arm: str) -> bool:
        """Return whether every run of an arm scores as the baseline's run, in all replicates."""
        ap, pairs = CurveKey(Scope(), 'AP'), zip(self.runs[arm], self.runs[self.estimator.baseline])
        return all(
            np.array_equal(run.replicates[ap], base.replicates[ap], equal_nan=True)
            for run, base in pairs
        )

    def _notes(self, power: Mapping[str, Power]) -> Iterator[str]:
        task = self.task
        yield from task.notes
        unsorted = int(((task.strata.labels < 0) & ~task.annotations.iscrowd).sum())
        if unsorted:
            yield f'{unsorted} objects have no {task.strata.measure}: they are in no stratum'
        for scope in self.estimator.scopes.values():
            refusal = task.refusal(scope)
            if refusal is not None:
                yield f'nothing is concluded from {refusal}'
        results = (run for runs in self.runs.values() for run in runs)
        yield from join_alike(note for run in results for note in run.evaluation.notes)
        for arm, runs in self.runs.items():
            if _any_equal(run.replicates[CurveKey(Scope(), 'AP')] for run in runs):
                yield f"'{arm}' has runs with the same detections: were the seeds the same?"
        yield from notes_on_runs({arm: len(runs) for arm, runs in self.runs.items()})
        if self.plan is not None:
            yield from notes_on_reach(power, self.plan)


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


def _more_seeds(effect: Estimate, n: int, delta: float) -> Optional[int]:
    """Return about how many more seeds would settle an effect, if its estimate stays as it is.

    The interval must shrink until it leaves out 0, or lies within ``delta``. The part of the
    variance that is due to the images stays, so that no number of seeds may be enough.
    """
    if not isinstance(effect.simultaneous, Bounds):
        return None
    if effect.simultaneous.sign or effect.simultaneous.within(delta):
        return 0
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
