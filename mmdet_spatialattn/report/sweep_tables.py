"""What a finished sweep found, in words and tables, as its page and its Markdown show it."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..comparison.inference import Estimate
from ..comparison.verdict import interval, p_value, points
from ..errors import UserError
from ..evaluation.error_types import ERROR_TYPES
from ..io import PathLike, read_json
from ..tables import short
from .page import bounds

FORMAT = 'mmdet_spatialattn verdict'
VERSION = 1

WORDS = {
    'helps in clutter': 'good',
    'helps everywhere alike': 'good',
    'helps, but less in clutter': 'mixed',
    'mixed': 'mixed',
    'no effect detected': 'none',
    'hurts': 'bad',
}
"""The words of verdicts, from the best, and how their badges look."""

COSTS = ('latency', 'FLOPs', 'parameters', 'memory')
"""Kinds of cost, as the page's switch has them."""

GAINS = ('plain', 'size_adjusted')
"""Kinds of clutter gain."""

NONE = '-'
"""Stands in a table where there is no number."""


class Table(NamedTuple):
    """A table of the page or of the Markdown."""

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Sweep:
    """A sweep's results in words and tables.

    Args:
        folder: Of the sweep.

    Attributes:
        folder: Of the sweep.
        data: What stands in its ``verdict.json``.
        arms: Names of the arms that have runs, in the order of the tables.
        others: The same without the baseline.

    Raises:
        UserError: ``verdict.json`` is absent or of another kind.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        path = self.folder / 'verdict.json'
        self.data = read_json(path)
        found = self.data.get('format') if isinstance(self.data, dict) else None
        if found != FORMAT:
            raise UserError(f'{path} is no verdict of a sweep: its format is {found!r}')
        if self.data['version'] > VERSION:
            raise UserError(
                f'{path} is of version {self.data["version"]}; this release reads up to {VERSION}: '
                'update mmdet_spatialattn'
            )
        self.plan, self.comparison = self.data['plan'], self.data['comparison']
        self.dose, self.baseline = self.data['dose'], self.data['plan']['baseline']
        self.arms = [arm for arm in self.plan['arms'] if arm in self.comparison['arms']]
        self.others = [arm for arm in self.arms if arm in self.comparison['effects']]

    @property
    def strata(self) -> list[str]:
        """Names of the strata, the least cluttered first."""
        return [row['stratum'] for row in self.comparison['strata']]

    @property
    def places(self) -> list[str]:
        """``'overall'`` and the strata."""
        return ['overall', *self.strata]

    @cached_property
    def times(self) -> dict[str, dict[str, float]]:
        """What stands in ``cost.json``; nothing when it is absent."""
        path = self.folder / 'cost.json'
        return read_json(path) if path.is_file() else {}

    def costs(self, arm: str) -> dict[str, Any]:
        """Return every kind of cost of an arm that is known."""
        known = {**(self.data['costs'].get(arm) or {}), **self.times.get(arm, {})}
        return {kind: value for kind, value in known.items() if value is not None}

    def ratios(self, arm: str) -> dict[str, float]:
        """Return the costs of an arm divided by the baseline's, by kind."""
        own, base = self.costs(arm), self.costs(self.baseline)
        keys = {kind: kind.lower() for kind in COSTS}
        ratios = {kind: own[k] / base[k] for kind, k in keys.items() if base.get(k) and k in own}
        if 'latency' in ratios and 'latency_ratio' in own:
            ratios['latency'] = own['latency_ratio']  # measured in pairs: the better one
        return ratios

    @property
    def kinds(self) -> list[str]:
        """Kinds of cost that are known of some arm and the baseline."""
        return [kind for kind in COSTS if any(kind in self.ratios(arm) for arm in self.others)]

    def path(self, name: str) -> Path:
        """Return a path of ``verdict.json``: relative ones are below the sweep's folder."""
        return self.folder / name

    def effect(self, arm: str, place: str, what: str = 'effects') -> dict[str, Any]:
        """Return the effects of an arm overall or in a stratum."""
        return at_place(self.comparison[what][arm], place)

    def word(self, arm: str) -> str:
        """Return the verdict on an arm in a word or two."""
        return self.comparison['verdicts'][arm]['word']

    def sentence(self, arm: str) -> str:
        """Return the verdict on an arm in a sentence."""
        return self.comparison['verdicts'][arm]['sentence']

    def badge(self, arm: str) -> str:
        """Return how the badge of an arm's verdict looks."""
        return WORDS.get(self.word(arm), 'mixed')

    @property
    def chosen(self) -> Optional[str]:
        """The arm that is looked at first: the one with the largest effect on AP."""

        def size(arm: str) -> float:
            found = estimate_in(self.effect(arm, 'overall'))
            return found['estimate'] if found else -math.inf

        candidates = [arm for arm in self.others if arm != self.plan['control']]
        return max(candidates or self.others, key=size, default=None)

    @property
    def answer(self) -> list[str]:
        """The answer to the question of the page, in sentences."""
        tested = [arm for arm in self.others if arm != self.plan['control']]
        by_word: dict[str, list[str]] = {}
        for arm in tested:
            by_word.setdefault(self.word(arm), []).append(arm)
        helped = by_word.pop('helps in clutter', [])
        if helped:
            first = f'Yes, in {_count(len(helped), "arm")} of {len(tested)}: {", ".join(helped)}.'
        elif set(by_word) <= {'no effect detected'}:
            first = f'No effect was detected: {", ".join(tested)}.'
            by_word = {}
        else:
            first = f'No arm of {len(tested)} helps more in clutter than elsewhere.'
        known = sorted(by_word, key=lambda word: [*WORDS, word].index(word))
        sentences = [first]
        sentences += [f'{_capital(word)}: {", ".join(by_word[word])}.' for word in known]
        if self.plan['control'] in self.others:
            control = self.plan['control']
            sentences.append(
                f'The capacity control, {control}, adds parameters but no attention: '
                f'{self.word(control)}.'
            )
        return sentences

    @property
    def runs(self) -> dict[str, list[str]]:
        """By arm, the files of detections."""
        return {
            arm: [run['source'] for run in self.comparison['arms'][arm]['runs']]
            for arm in self.arms
        }

    @property
    def notes(self) -> list[str]:
        """What a reader should know, one sentence each."""
        notes = [*self.comparison['notes'], *(self.dose or {}).get('notes', [])]
        return list(dict.fromkeys(notes))

    @property
    def number_of_runs(self) -> str:
        """How many runs the arms have, in words."""
        numbers = sorted({len(files) for files in self.runs.values()})
        many = _count(numbers[-1], 'run')
        return f'{many} each' if len(numbers) == 1 else f'{numbers[0]} to {many} each'

    @property
    def level(self) -> str:
        """Of the intervals."""
        return _percent(self.comparison['settings']['level'])

    @property
    def bounds(self) -> list[str]:
        """Which values of the clutter measure belong to each stratum."""
        cuts = self.comparison['settings']['cuts']
        return bounds(cuts) if cuts else []

    def metric_table(self) -> Table:
        """Return the mean AP of every arm by stratum."""
        rows = [
            (
                arm,
                str(len(of['runs'])),
                *(_points(at_place(of, place).get('AP')) for place in self.places),
            )
            for arm, of in self._of_arms()
        ]
        return Table('AP in points, mean over the runs', ('arm', 'runs', *self.places), rows)

    def run_table(self) -> Table:
        """Return the AP of every run by stratum."""
        rows = [
            (
                str(Path(run['source']).parent),
                *(_points(at_place(run, place).get('AP')) for place in self.places),
            )
            for _, of in self._of_arms()
            for run in of['runs']
        ]
        return Table('AP in points of every run', ('run', *self.places), rows)

    def summary_table(self) -> Table:
        """Return the effects on AP and the clutter gains, a row per arm."""
        gains = self.comparison['clutter_gain']
        rows = [
            (
                arm,
                *(interval_text(self.effect(arm, place).get('AP')) for place in self.places),
                *(interval_text(gains[arm][kind].get('AP')) for kind in GAINS),
            )
            for arm in self.others
        ]
        caption = f'Effects on AP in points against {self.baseline}, with {self.level} intervals'
        header = ('arm', *self.places, 'clutter gain', 'size-adjusted gain')
        return Table(caption, header, rows)

    def effect_table(self) -> Table:
        """Return the effects on AP, a row per arm and place."""
        rows = [
            (arm, place, *_columns(self.effect(arm, place)))
            for arm in self.others
            for place in self.places
        ]
        return Table('Effects on AP in points', ('arm', 'stratum', *_ESTIMATE), rows)

    def gain_table(self) -> Table:
        """Return the clutter gains in AP, a row per arm and kind."""
        rows = [
            (arm, kind.replace('_', '-'), *_columns(self.comparison['clutter_gain'][arm][kind]))
            for arm in self.others
            for kind in GAINS
        ]
        return Table('Clutter gains in AP in points', ('arm', 'kind', *_ESTIMATE), rows)

    def other_metrics_table(self) -> Table:
        """Return the effects overall on the other metrics."""
        metrics = list(
            dict.fromkeys(
                metric
                for arm in self.others
                for metric in self.effect(arm, 'overall')
                if metric not in ('AP', 'refused')
            )
        )
        rows = [
            (arm, *(interval_text(self.effect(arm, 'overall').get(metric)) for metric in metrics))
            for arm in self.others
        ]
        caption = 'Effects overall on other metrics, in points; a lower MR is better'
        return Table(caption, ('arm', *metrics), rows)

    def error_table(self, arm: str) -> Table:
        """Return how much AP50 each type of error costs more than in the baseline."""
        rows = [
            (
                kind,
                *(
                    interval_text(self.effect(arm, place, 'error_effects').get(kind))
                    for place in self.places
                ),
            )
            for kind in ERROR_TYPES
        ]
        caption = f'Change of the AP50 that each type of error costs, in points: {arm}'
        return Table(caption, ('type', *self.places), rows)

    def error_count_table(self) -> Table:
        """Return the mean number of errors of each type."""
        rows = [
            (arm, *(f'{of["errors"]["overall"][kind]:.1f}' for kind in ERROR_TYPES))
            for arm, of in self._of_arms()
        ]
        return Table('Number of errors overall, mean over the runs', ('arm', *ERROR_TYPES), rows)

    def dose_tables(self) -> list[Table]:
        """Return AP by dose with mPC and rPC, and the effects on them."""
        if not self.dose:
            return []
        doses = [f'{self.dose["field"]} {dose:g}' for dose in self.dose['doses']]
        tables = []
        for caption, part in (
            ('AP by dose, in points; rPC in percent', 'arms'),
            ('Effects by dose, in points', 'effects'),
        ):
            rows = [
                (
                    arm,
                    *(
                        interval_text(entry, signed=part == 'effects')
                        for entry in (*of['AP'], of['mPC'], of['rPC'])
                    ),
                )
                for arm, of in self.dose[part].items()
            ]
            tables.append(Table(caption, ('arm', *doses, 'mPC', 'rPC'), rows))
        return tables

    def cost_table(self) -> Table:
        """Return what every arm costs."""
        header = ('arm', 'parameters', 'GFLOPs', 'memory in MB', 'latency in ms', 'times baseline')
        rows = []
        for arm in self.arms:
            of = self.costs(arm)
            rows.append(
                (
                    arm,
                    f'{of["parameters"]:,}' if 'parameters' in of else NONE,
                    f'{of["flops"] / 1e9:.4g}' if 'flops' in of else NONE,
                    f'{of["memory"] / 1e6:.1f}' if 'memory' in of else NONE,
                    short(1000 * of['latency']) if 'latency' in of else NONE,
                    f'{of["latency_ratio"]:.2f}' if 'latency_ratio' in of else NONE,
                )
            )
        return Table('Cost of one image; memory is the peak of a forward pass', header, rows)

    @property
    def setup(self) -> dict[str, str]:
        """With what the numbers were made, by name."""
        of, settings = self.comparison['annotations'], self.comparison['settings']
        by = f' by {settings["group_by"]}' if settings.get('group_by') else ''
        cuts = ', '.join(f'{cut:g}' for cut in settings['cuts'])
        return {
            'Test set': f'{of["file"]}: {of["images"]} images, {of["objects"]} objects, '
            f'{of["crowd_regions"]} crowd regions, {of["classes"]} classes',
            'Baseline': self.baseline,
            'Capacity control': self.plan['control'] or 'none',
            'Seeds': '; '.join(self._seeds()),
            'Strata': f'{settings["measure"] or "given"}, cut at {cuts or "no value"}',
            'Dose': self.plan['dose'] or 'none',
            'Matching': f'{settings["iou_type"]}, at most {settings["max_detections"]} detections',
            'Intervals': f'{self.level}, {settings["n_boot"]} resamples of the '
            f'images{by}, seed {settings["seed"]}',
            'Detectable': f'with a chance of {_percent(settings["power"])}',
            **self._environments(),
        }

    @property
    def plan_file(self) -> str:
        """The plan as a file that ``spatialattn sweep`` reads."""
        plan = {key: value for key, value in self.plan.items() if value not in (None, {})}
        plan['arms'] = {}
        for arm, of in self.plan['arms'].items():
            own = {'overrides': of['overrides'], 'seeds': of['seeds']}
            own = {k: v for k, v in own.items() if v and v != self.plan.get(k)}
            plan['arms'][arm] = {'config': of['config'], **own} if own else of['config']
        text = json.dumps(plan, indent=2)
        return re.sub(r'\[\n([-\d.,\s]+)\]', lambda m: f'[{" ".join(m[1].split())}]', text)

    def _of_arms(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for arm in self.arms:
            yield arm, self.comparison['arms'][arm]

    def _environments(self) -> dict[str, str]:
        found = self.data['environments']
        total = sum(len(of['runs']) for of in found)
        words: dict[str, str] = {}
        for of in found:
            hardware = dict(of['hardware'])
            if hardware.get('memory'):
                hardware['memory'] = f'{hardware["memory"] / 1e9:.0f} GB'
            whose = f' ({len(of["runs"])} of {total} runs)' if len(found) > 1 else ''
            words |= {
                f'Versions{whose}': ', '.join(f'{name} {v}' for name, v in of['versions'].items()),
                f'Hardware{whose}': ', '.join(f'{name}: {v}' for name, v in hardware.items()),
                f'Commit{whose}': of['commit'] or 'unknown',
            }
        return words

    def _seeds(self) -> Iterator[str]:
        seeds = Counter(tuple(of['seeds']) for of in self.plan['arms'].values())
        usual = seeds.most_common(1)[0][0]
        yield _listed(usual)
        for arm, of in self.plan['arms'].items():
            if tuple(of['seeds']) != usual:
                yield f'{arm}: {_listed(of["seeds"])}'


_ESTIMATE = ('effect', '95 % interval', 'p (Holm)', 'smallest detectable')


def at_place(of: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return what a comparison's JSON holds overall or in a stratum."""
    return of['overall'] if place == 'overall' else of['strata'][place]


def estimate_in(effects: Mapping[str, Any], metric: str = 'AP') -> Optional[dict[str, float]]:
    """Return an estimate of a comparison's JSON, ``None`` where it was refused or is undefined."""
    found = effects.get(metric)
    return found if isinstance(found, dict) and found.get('estimate') is not None else None


def interval_text(entry: Optional[Mapping[str, float]], signed: bool = True) -> str:
    """Return what stands in the JSON as an estimate or an interval, in points.

    Example:
        >>> interval_text({'estimate': 0.297, 'low': 0.28, 'high': 0.31}, signed=False)
        '29.7 [28.0, 31.0]'
    """
    found = estimate_in({'AP': entry})
    if found is None:
        return NONE
    values = {field.name: found.get(field.name, math.nan) for field in fields(Estimate)}
    text = interval(Estimate(**values))
    return text if signed else text.replace('+', '')


def _columns(effects: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of an effect on AP; in their place the reason why there is none."""
    found = estimate_in(effects)
    if found is None:
        return str(effects.get('refused') or effects.get('AP') or NONE), NONE, NONE, NONE
    change, _, ends = interval_text(found).partition(' ')
    return change, ends, p_value(found['p_holm']), _points(found['detectable'])


def _points(value: Optional[float]) -> str:
    return NONE if value is None or not math.isfinite(value) else points(value)


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}{"" if number == 1 else "s"}'


def _percent(share: float) -> str:
    """Return a share as a percentage."""
    return f'{100 * share:g} %'


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(values: Sequence[Any]) -> str:
    return ', '.join(map(str, values))
