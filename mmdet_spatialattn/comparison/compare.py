"""Which detector is better, and is it better in clutter? Arms against a baseline, with intervals.

An *arm* is one or more runs of a detector, trained with different seeds. Its *effect* is how much
higher its metric is than the baseline's; its *clutter gain* is its effect in the most cluttered
stratum minus that in the least. The gain, not the effect in clutter, answers the question: more
parameters lift everything.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np

from ..clutter import ENOUGH, SIZES, Scope, StrataLike, stratify
from ..coco import AnnotationSource, load_annotations
from ..errors import require
from ..evaluation import (
    ERROR_METRIC,
    ERROR_TYPES,
    MAX_DETECTIONS,
    CurveKey,
    EvaluationTask,
    RunEvaluation,
    evaluate_run,
)
from ..io import PathLike, write_json
from ..processors import Progress, silent
from ..results import OVERALL, Refused
from ..tables import text_table
from .inference import LEVEL, POWER, Estimate, difference, holm
from .runs import Arms, check_arms, evaluate_arms, notes_on_runs
from .verdict import Verdict, interval, judge, p_value, points

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects

FORMAT = 'mmdet_spatialattn comparison'
VERSION = 1

Effects = dict[str, Union[Estimate, str]]
"""By metric; or under ``refused`` why there is none."""

Combination = Sequence[tuple[float, Scope]]
"""A weighted sum over scopes."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Arms against a baseline: what :func:`compare` returns.

    Attributes:
        annotations: Number of images, objects, crowd regions and classes, and the file.
        settings: How it was computed; with the files it lets somebody repeat it.
        strata: A row per stratum: objects, images, of which sizes, and whether that is enough.
        arms: The runs of every arm, the baseline among them.
        effects: By arm, ``'overall'`` or stratum, and metric.
        error_effects: Likewise by error type of TIDE: change of the AP50 that the type costs.
        clutter_gain: By arm, ``'plain'`` or ``'size_adjusted'``, and metric.
        verdicts: By arm.
        notes: What a user should know, one sentence each.
    """

    annotations: dict[str, Any]
    settings: dict[str, Any]
    strata: list[dict[str, Any]]
    arms: dict[str, list[RunEvaluation]]
    effects: dict[str, dict[str, Effects]]
    error_effects: dict[str, dict[str, Effects]]
    clutter_gain: dict[str, dict[str, Effects]]
    verdicts: dict[str, Verdict]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the replicates; the schema stands in the README beside this file.

        ``null`` stands where a number is undefined or infinite.
        """
        return plain(
            {
                'format': FORMAT,
                'version': VERSION,
                'annotations': self.annotations,
                'settings': self.settings,
                'strata': self.strata,
                'arms': {name: _arm(runs) for name, runs in self.arms.items()},
                'effects': {name: _nested(scopes) for name, scopes in self.effects.items()},
                'error_effects': {name: _nested(s) for name, s in self.error_effects.items()},
                'clutter_gain': self.clutter_gain,
                'verdicts': self.verdicts,
                'notes': self.notes,
            }
        )

    def write(self, path: PathLike) -> None:
        """Write :meth:`to_json`, atomically."""
        write_json(path, self.to_json())

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per estimate: arm, what, where, metric, and the estimate's numbers."""
        rows = []
        for what in ('effects', 'clutter_gain', 'error_effects'):
            for arm, places in getattr(self, what).items():
                for where, effects in places.items():
                    for metric, effect in effects.items():
                        row = {'arm': arm, 'what': what, 'where': where, 'metric': metric}
                        if isinstance(effect, Estimate):
                            rows.append({**row, **asdict(effect)})
        return rows

    def to_pandas(self) -> 'pandas.DataFrame':
        """Return :meth:`rows` as a data frame."""
        return require('pandas', 'report').DataFrame(self.rows())

    def plot(self) -> 'plotly.graph_objects.Figure':
        """Return a figure of the effects on AP with their intervals, by arm and stratum."""
        require('plotly', 'report')
        from ..report.figures import effects

        return effects(self)

    def __str__(self) -> str:
        of, baseline = self.annotations, self.settings['baseline']
        parts = [f'{of["file"]}: {of["objects"]} objects in {of["images"]} images']
        columns = ('stratum', 'objects', 'images', *SIZES)
        rows = [tuple(str(row[column]) for column in columns) for row in self.strata]
        parts.append(text_table(columns, rows))
        places = ['overall', *(row['stratum'] for row in self.strata)]
        rows = []
        for arm, runs in self.arms.items():
            means = [_mean([_numbers(run, place) for run in runs]) for place in places]
            rows.append((arm, str(len(runs)), *(_points(mean['AP']) for mean in means)))
        parts.append(text_table(('AP', 'runs', *places), rows))
        header = ('', 'effect on AP', f'{LEVEL:.0%} interval', 'p (Holm)', 'detectable')
        for arm, effects in self.effects.items():
            gains = self.clutter_gain[arm]
            lines = [(place, effects[place]) for place in places]
            lines += [('clutter gain', gains['plain']), ('  size-adjusted', gains['size_adjusted'])]
            title = f'{arm} against {baseline}'
            parts.append(title + '\n' + text_table(header, [_line(*line) for line in lines]))
        parts += [f'{arm}: {verdict.sentence}' for arm, verdict in self.verdicts.items()]
        return '\n\n'.join([*parts, *(f'Note: {note}' for note in self.notes)])


def compare(
    annotations: AnnotationSource,
    arms: Arms,
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
    """Compare arms with a baseline, overall, by stratum, and the strata with each other.

    The same ``seed`` gives the same numbers on any number of threads.

    Args:
        annotations: A COCO annotation file, what stands in one, or loaded annotations.
        arms: The detections of the runs of each arm, one per training seed: files, what stands in
            them, or loaded detections.
        baseline: The arm that the others are compared with; the first by default.
        strata: ``'cover:0.1,0.3'`` and the like (see
            :meth:`~mmdet_spatialattn.clutter.strata.Strata.parse`), or sorted objects.
        n_boot: Number of bootstrap replicates.
        seed: Of the replicates.
        engine: ``'auto'``, ``'compiled'``, or ``'pycocotools'``, the slow reference.
        iou_type: ``'bbox'`` or ``'segm'``.
        max_detections: COCO's ``maxDets``, rising.
        threads: How many to use; as many as there are processors by default.
        progress: Wraps the steps, whose number it is given, to show how it goes.
        group_by: A field of the file's images, such as ``'scene'`` or ``'video_id'``: images with
            the same value are no independent witnesses, and are resampled together.

    Raises:
        UserError: A file is broken or does not belong to the annotations; there are no two arms,
            an arm has no run or the same twice, the baseline is none of them; an image lacks the
            field to group by, or there are too few groups.
    """
    checked, baseline = check_arms(arms, baseline, n_boot)
    truth = load_annotations(annotations)
    caps = tuple(sorted(max_detections))
    problem = EvaluationTask(truth, stratify(truth, strata), iou_type, caps, engine, group_by)
    results = evaluate_arms(evaluate_run, problem, checked, n_boot, seed, threads, progress)
    return _Differences(problem, results, baseline).comparison(n_boot, seed)


class _Differences:
    """The evaluated runs, and what is made of them."""

    def __init__(
        self, problem: EvaluationTask, runs: dict[str, list[RunEvaluation]], baseline: str
    ) -> None:
        self.problem, self.runs, self.baseline = problem, runs, baseline
        self.names = problem.strata.names
        self.places = {'overall': Scope(), **{n: Scope(s) for s, n in enumerate(self.names)}}
        self.others = [arm for arm in runs if arm != baseline]
        self.replicated = runs[baseline][0].replicates
        plain_metrics = (key.metric for key in self.replicated if key.error is None)
        self.metrics = list(dict.fromkeys(plain_metrics))
        self.counts = problem.counts

    def comparison(self, n_boot: int, seed: int) -> Comparison:
        problem, of = self.problem, self.problem.annotations
        metrics = {metric: CurveKey(Scope(), metric) for metric in self.metrics}
        errors = {error: CurveKey(Scope(), ERROR_METRIC, error=error) for error in ERROR_TYPES}
        effects, error_effects = (
            {
                arm: {place: self._effects(arm, scope, of) for place, scope in self.places.items()}
                for arm in self.others
            }
            for of in (metrics, errors)
        )
        gains = {arm: self._gains(arm) for arm in self.others}
        self._adjust(effects, [list(self.places)])
        self._adjust(gains, [['plain'], ['size_adjusted']])
        return Comparison(
            annotations={
                'file': of.source,
                'images': problem.n_images,
                'objects': int((~of.iscrowd).sum()),
                'crowd_regions': int(of.iscrowd.sum()),
                'classes': len(of.category_ids),
            },
            settings={
                'baseline': self.baseline,
                'iou_type': problem.iou_type,
                'max_detections': list(problem.max_detections),
                'engine': problem.engine,
                'n_boot': n_boot,
                'seed': seed,
                'level': LEVEL,
                'power': POWER,
                'measure': problem.strata.measure,
                'cuts': list(problem.strata.cuts),
                'group_by': problem.group_by,
            },
            strata=[
                {
                    'stratum': name,
                    'objects': self.counts[Scope(s)].objects,
                    'images': self.counts[Scope(s)].images,
                    problem.unit: self.counts[Scope(s)].units,
                    **{size: self.counts[Scope(s, size)].objects for size in SIZES},
                    'enough': problem.refusal(Scope(s)) is None,
                }
                for s, name in enumerate(self.names)
            ],
            arms=self.runs,
            effects=effects,
            error_effects=error_effects,
            clutter_gain=gains,
            verdicts={arm: self._verdict(arm, effects[arm], gains[arm]) for arm in self.others},
            notes=tuple(dict.fromkeys(self._notes())),
        )

    def _difference(self, arm: str, metric: CurveKey, of: Combination) -> Union[Estimate, str]:
        """Estimate the effect of an arm on a weighted sum of one metric of several scopes."""

        def values(name: str) -> np.ndarray:
            return np.stack(
                [
                    sum(w * one.replicates[metric._replace(scope=scope)] for w, scope in of)
                    for one in self.runs[name]
                ]
            )

        n_units = min(self.counts[scope].units for _, scope in of)
        found = difference(values(arm), values(self.baseline), n_units)
        return 'undefined in too many resamples of the images' if found is None else found

    def _effects(self, arm: str, scope: Scope, metrics: dict[str, CurveKey]) -> Effects:
        refusal = self.problem.refusal(scope)
        if refusal:
            return {'refused': refusal.reason}
        return {n: self._difference(arm, m, [(1, scope)]) for n, m in metrics.items()}

    def _gains(self, arm: str) -> dict[str, Effects]:
        least, most = 0, len(self.names) - 1
        plain = [(1, Scope(most)), (-1, Scope(least))]
        refusal = self.problem.refusal(Scope(most), Scope(least))
        if not most:
            refusal = Refused('there is one stratum only')
        if refusal:
            refused: Effects = {'refused': refusal.reason}
            return {'plain': refused, 'size_adjusted': refused}
        sizes = [z for z in SIZES if not self.problem.refusal(Scope(most, z), Scope(least, z))]
        held = {size: self.counts[Scope(most, size)].objects for size in SIZES}
        total = sum(held[size] for size in sizes)
        adjusted: Effects = {
            'refused': f'sizes with {ENOUGH} objects in both strata hold {total} of the '
            f"{sum(held.values())} objects of '{self.names[most]}'; it takes half of them"
        }
        if 2 * total >= sum(held.values()):
            both: list[tuple[float, Scope]] = []
            for size in sizes:
                share = held[size] / total
                both += [(share, Scope(most, size)), (-share, Scope(least, size))]
            keys = {m: CurveKey(both[0][1], m) for m in self.metrics}
            in_cells = {m: key for m, key in keys.items() if key in self.replicated}
            adjusted = {m: self._difference(arm, key, both) for m, key in in_cells.items()}
        return {
            'plain': {m: self._difference(arm, CurveKey(Scope(), m), plain) for m in self.metrics},
            'size_adjusted': adjusted,
        }

    def _adjust(self, arms: dict[str, dict[str, Effects]], families: list[list[str]]) -> None:
        """Adjust the p values, in place: a metric and some places of all arms are one family."""
        for places in families:
            for metric in self.metrics:
                found = {
                    (arm, place): effect
                    for arm in arms
                    for place in places
                    if (effect := estimate_of(arms[arm][place], metric))
                }
                for (arm, place), effect in zip(found, holm(list(found.values()))):
                    arms[arm][place][metric] = effect

    def _verdict(self, arm: str, effects: dict[str, Effects], gains: dict[str, Effects]) -> Verdict:
        most = self.names[-1]
        n_runs = min(len(self.runs[arm]), len(self.runs[self.baseline]))
        return judge(
            estimate_of(effects['overall']),
            estimate_of(effects[most]),
            estimate_of(gains['plain']),
            n_runs,
            stratum=most,
        )

    def _notes(self) -> Iterator[str]:
        yield from self.problem.annotations.notes
        none = int(((self.problem.strata.labels < 0) & ~self.problem.annotations.iscrowd).sum())
        if none:
            yield f'{none} objects have no {self.problem.strata.measure}: they are in no stratum'
        for scope in self.places.values():
            if refusal := self.problem.refusal(scope):
                yield f'nothing is concluded from {refusal}'
        for arm, runs in self.runs.items():
            for run in runs:
                yield from run.evaluation.notes
            first = [run.replicates[CurveKey(Scope(), 'AP')] for run in runs]
            if any((a == b).all() for i, a in enumerate(first) for b in first[:i]):
                yield f"'{arm}' has runs with the same detections: were the seeds the same?"
        yield from notes_on_runs({arm: len(runs) for arm, runs in self.runs.items()})


def estimate_of(effects: Effects, metric: str = 'AP') -> Optional[Estimate]:
    """Return the estimate of a metric; ``None`` where there is none."""
    found = effects.get(metric)
    return found if isinstance(found, Estimate) else None


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _mean(runs: list[dict[str, float]]) -> dict[str, float]:
    """Average metrics over runs; NaN where one is undefined. Numbers of objects are all equal."""
    return {
        name: value if isinstance(value, int) else float(np.mean([run[name] for run in runs]))
        for name, value in runs[0].items()
    }


def _numbers(run: RunEvaluation, place: str) -> dict[str, float]:
    """Return the metrics of a run at a place; NaN where one is refused."""
    numbers: dict[str, float] = {}
    for stratum in run.evaluation.strata:
        if stratum.name == place:
            numbers.update(objects=stratum.objects, images=stratum.images)
            if stratum.groups is not None:
                numbers['groups'] = stratum.groups
    for name, value in run.evaluation.metrics[place].items():
        numbers[name] = math.nan if isinstance(value, Refused) else value
    return numbers


def _arm(runs: list[RunEvaluation]) -> dict[str, Any]:
    """Return the means over the runs of an arm, and every run."""
    every = [
        {
            'source': run.evaluation.source,
            'overall': _numbers(run, OVERALL),
            'strata': {s.name: _numbers(run, s.name) for s in run.evaluation.strata},
            'errors': run.evaluation.errors,
        }
        for run in runs
    ]
    return {
        'overall': _mean([_numbers(run, OVERALL) for run in runs]),
        'strata': {
            s.name: _mean([_numbers(run, s.name) for run in runs])
            for s in runs[0].evaluation.strata
        },
        'errors': {
            place: {
                e: float(np.mean([r.evaluation.errors[place][e] for r in runs])) for e in counts
            }
            for place, counts in runs[0].evaluation.errors.items()
        },
        'runs': every,
    }


def _nested(places: dict[str, Effects]) -> dict[str, Any]:
    """Return effects as the arms' metrics are: overall, and the strata by name."""
    return {
        'overall': places['overall'],
        'strata': {k: v for k, v in places.items() if k != 'overall'},
    }


def _points(value: float) -> str:
    return '' if math.isnan(value) else points(value)


def _line(place: str, effects: Effects) -> tuple[str, ...]:
    """Return a row of the table of effects on AP."""
    effect = estimate_of(effects)
    if effect is None:
        return place, '-', '', '', ''
    change, _, ends = interval(effect).partition(' ')
    return place, change, ends, p_value(effect.p_holm), points(effect.detectable)
