"""Effects of all arms on a metric in a scope, and on weighted sums over scopes: clutter gains."""

from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np

from ..clutter import ENOUGH, SIZES, Scope
from ..errors import UserError, did_you_mean
from ..evaluation import ERROR_METRIC, ERROR_TYPES, CurveKey, EvaluationTask, RunEvaluation
from ..results import OVERALL, Question, Refused
from ..results.comparison import PLAIN, SIZE_ADJUSTED
from ..results.estimates import EstimateOrRefused, IntervalOrRefused
from .effects import LooksTaken, RunKeys, Runs, effects, paired_differences, refused_alike
from .inference import average

Combination = Sequence[tuple[float, Scope]]
"""A weighted sum over scopes."""

Metric = tuple[str, Optional[str]]
"""The metric and the error type of replicates."""

ByArm = dict[str, EstimateOrRefused]


class Estimator:
    """Estimates effects from evaluated runs.

    Args:
        task: What the runs were evaluated on.
        runs: By arm.
        baseline: The arm that the others are compared with.
        keys: By arm, the base and the seed of every run, to compare runs seed by seed.
        questions: Primary questions, each a metric and a scope; by default the AP overall and in
            the most cluttered stratum.

    Attributes:
        scopes: By name, overall first.
        others: The arms but the baseline.
        metrics: By name.
        errors: By error type.
        taken: The looks, where runs are read while seeds are added.

    Raises:
        UserError: A question has an unknown metric or scope.
    """

    def __init__(
        self,
        task: EvaluationTask,
        runs: dict[str, list[RunEvaluation]],
        baseline: str,
        *,
        keys: Optional[RunKeys],
        questions: Sequence[tuple[str, str]],
    ) -> None:
        self.task, self.runs, self.baseline, self.keys = task, runs, baseline, keys
        names = task.strata.names
        self.scopes = {OVERALL: Scope(), **{name: Scope(i) for i, name in enumerate(names)}}
        self.others = [arm for arm in runs if arm != baseline]
        self._replicated = runs[baseline][0].replicates
        metrics = dict.fromkeys(key.metric for key in self._replicated if key.error is None)
        self.metrics: dict[str, Metric] = {metric: (metric, None) for metric in metrics}
        self.errors: dict[str, Metric] = {error: (ERROR_METRIC, error) for error in ERROR_TYPES}
        self.questions = self._check(questions or [('AP', OVERALL), ('AP', names[-1])])
        self.taken: Optional[LooksTaken] = None

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

    def levels(self, arm: str) -> dict[str, IntervalOrRefused]:
        """Return the AP of an arm in every scope, the mean over its runs, with its interval."""
        return {
            name: self.task.refusal(scope)
            or average(
                self._combined(arm, self.metrics['AP'], [(1, scope)]).values, self.n_units(scope)
            )
            for name, scope in self.scopes.items()
        }

    def classes(self, arm: str) -> dict[str, IntervalOrRefused]:
        """Return the AP of an arm by class, the mean over its runs; none with one class."""
        return {
            name: self.task.class_refusal(name)
            or average(self._class_runs(arm, k).values, self.task.class_counts[name].units)
            for k, name in enumerate(self._class_names)
        }

    def class_effects(self) -> dict[str, ByArm]:
        """Return the effects of all arms on the AP by class; none with one class."""
        return {
            name: self._effects(
                {arm: self._class_runs(arm, k) for arm in self.runs},
                self.task.class_counts[name].units,
                self.task.class_refusal(name),
            )
            for k, name in enumerate(self._class_names)
        }

    @property
    def _class_names(self) -> list[str]:
        n_classes = len(self.runs[self.baseline][0].class_precisions)
        return list(self.task.class_counts)[:n_classes]

    def _class_runs(self, arm: str, k: int) -> Runs:
        values = np.stack([run.class_precisions[k] for run in self.runs[arm]])
        return Runs(values, None if self.keys is None else self.keys[arm])

    def in_scope(self, name: str, metrics: Mapping[str, Metric]) -> dict[str, ByArm]:
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
        return self._effects(
            {arm: self._combined(arm, metric, scopes) for arm in self.runs},
            self.n_units(*(scope for _, scope in scopes)),
            n_questions=len(self.questions) if question in self.questions else 1,
        )

    def _effects(
        self,
        runs: Mapping[str, Runs],
        n_units: int,
        refusal: Optional[Refused] = None,
        *,
        n_questions: int = 1,
    ) -> ByArm:
        """Estimate the effects of all arms on one metric, given its values of every run."""
        if refusal is not None:
            return refused_alike(self.others, refusal)
        return effects(
            {arm: runs[arm] for arm in self.others},
            runs[self.baseline],
            n_units,
            paired=self.keys is not None,
            n_questions=n_questions,
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

    def n_units(self, *scopes: Scope) -> int:
        """Return how many images, or groups of images, the scope with the fewest has."""
        return min(self.task.counts[scope].units for scope in scopes)

    def differences(self, question: Question, arms: Sequence[str]) -> np.ndarray:
        """Return the differences of arms from the baseline, ``(M, L, K, 1 + B)``."""
        metric, scopes = self.metrics[question.metric], [(1.0, self.scopes[question.scope])]
        runs = {arm: self._combined(arm, metric, scopes) for arm in arms}
        return paired_differences(runs, self._combined(self.baseline, metric, scopes))

    def gains(self) -> dict[str, dict[str, ByArm]]:
        """Return the clutter gains of all arms, by kind and metric."""
        least, most = Scope(0), Scope(len(self.task.strata.names) - 1)
        refusal = self.task.refusal(most, least)
        if most == least:
            refusal = Refused('there is one stratum only')
        cells, cells_refusal = self._size_cells(least.stratum or 0, most.stratum or 0)
        sized = {
            name: key
            for name, key in self.metrics.items()
            if CurveKey(Scope(0, 'small'), name) in self._replicated
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
