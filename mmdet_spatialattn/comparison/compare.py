"""Which detector is better, and is it better in clutter? Arms against a baseline, with intervals.

An *arm* is one or more runs of a detector, trained with different seeds. Its *effect* is how much
higher its metric is than the baseline's; its *clutter gain* is its effect in the most cluttered
stratum minus that in the least. The gain, not the effect in clutter, answers the question: more
parameters lift everything.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

import numpy as np

from ..clutter import ENOUGH, SIZES, Scope, StrataLike, stratify
from ..coco import AnnotationSource, load_annotations
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
    Comparison,
    ComparisonSettings,
    Estimate,
    Refused,
    TestSet,
    Verdict,
)
from ..results.comparison import PLAIN, SIZE_ADJUSTED
from ..results.estimates import Effects, EstimateOrRefused, Metrics
from .inference import LEVEL, POWER, difference, holm
from .runs import Arms, check_arms, evaluate_arms, notes_on_runs
from .verdict import judge

Combination = Sequence[tuple[float, Scope]]
"""A weighted sum over scopes."""

Questions = dict[str, tuple[str, Optional[str]]]
"""By name in the result: the metric and the error type of its replicates."""


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

    Raises:
        UserError: A file is broken or does not belong to the annotations; there are fewer than two
            arms, an arm has no run or the same run twice, the baseline is unknown; an image lacks
            the field to group by, or there are too few groups.
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
    return _Comparer(task, runs, baseline).comparison(n_boot, seed)


class _Comparer:
    """Computes a comparison from evaluated runs."""

    def __init__(
        self, task: EvaluationTask, runs: dict[str, list[RunEvaluation]], baseline: str
    ) -> None:
        self.task, self.runs, self.baseline = task, runs, baseline
        names = task.strata.names
        self.scopes = {OVERALL: Scope(), **{name: Scope(i) for i, name in enumerate(names)}}
        self.others = [arm for arm in runs if arm != baseline]
        self.replicated = runs[baseline][0].replicates
        metrics = dict.fromkeys(key.metric for key in self.replicated if key.error is None)
        self.metrics: Questions = {metric: (metric, None) for metric in metrics}
        self.errors: Questions = {error: (ERROR_METRIC, error) for error in ERROR_TYPES}

    def comparison(self, n_boot: int, seed: int) -> Comparison:
        task, truth = self.task, self.task.annotations
        effects = {arm: self._by_scope(arm, self.metrics) for arm in self.others}
        gains = {arm: self._gains(arm) for arm in self.others}
        self._adjust(effects, [list(self.scopes)])
        self._adjust(gains, [[PLAIN], [SIZE_ADJUSTED]])
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
            ),
            strata=task.describe_strata(),
            arms={arm: _summarise(runs) for arm, runs in self.runs.items()},
            effects=effects,
            error_effects={arm: self._by_scope(arm, self.errors) for arm in self.others},
            clutter_gain=gains,
            verdicts={arm: self._verdict(arm, effects[arm], gains[arm]) for arm in self.others},
            notes=tuple(dict.fromkeys(self._notes())),
        )

    def _difference(
        self, arm: str, question: tuple[str, Optional[str]], scopes: Combination
    ) -> EstimateOrRefused:
        """Estimate the effect of an arm on a weighted sum of one metric over several scopes."""
        metric, error = question

        def combined(name: str) -> np.ndarray:
            return np.stack(
                [
                    sum(w * run.replicates[CurveKey(s, metric, error=error)] for w, s in scopes)
                    for run in self.runs[name]
                ]
            )

        n_units = min(self.task.counts[scope].units for _, scope in scopes)
        return difference(combined(arm), combined(self.baseline), n_units)

    def _by_scope(self, arm: str, questions: Questions) -> dict[str, Effects]:
        return {
            name: self._effects(arm, questions, [(1, scope)], self.task.refusal(scope))
            for name, scope in self.scopes.items()
        }

    def _effects(
        self, arm: str, questions: Questions, scopes: Combination, refusal: Optional[Refused]
    ) -> Effects:
        if refusal is not None:
            return dict.fromkeys(questions, refusal)
        return {
            name: self._difference(arm, question, scopes) for name, question in questions.items()
        }

    def _gains(self, arm: str) -> dict[str, Effects]:
        least, most = Scope(0), Scope(len(self.task.strata.names) - 1)
        refusal = self.task.refusal(most, least)
        if most == least:
            refusal = Refused('there is one stratum only')
        cells, cells_refusal = self._size_cells(least.stratum or 0, most.stratum or 0)
        in_cells = {
            name: question
            for name, question in self.metrics.items()
            if CurveKey(Scope(0, 'small'), name) in self.replicated
        }
        return {
            PLAIN: self._effects(arm, self.metrics, [(1, most), (-1, least)], refusal),
            SIZE_ADJUSTED: self._effects(arm, in_cells, cells, refusal or cells_refusal),
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

    def _adjust(self, arms: dict[str, dict[str, Effects]], families: list[list[str]]) -> None:
        """Adjust the p values, in place: a metric in some scopes of all arms is one family."""
        for scopes in families:
            for metric in self.metrics:
                estimates = {
                    (arm, scope): effect
                    for arm in arms
                    for scope in scopes
                    if isinstance(effect := arms[arm][scope].get(metric), Estimate)
                }
                for (arm, scope), adjusted in zip(estimates, holm(list(estimates.values()))):
                    arms[arm][scope][metric] = adjusted

    def _verdict(self, arm: str, effects: dict[str, Effects], gains: dict[str, Effects]) -> Verdict:
        most = self.task.strata.names[-1]
        n_runs = min(len(self.runs[arm]), len(self.runs[self.baseline]))
        return judge(
            effects[OVERALL]['AP'],
            effects[most]['AP'],
            gains[PLAIN]['AP'],
            n_runs=n_runs,
            stratum=most,
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
