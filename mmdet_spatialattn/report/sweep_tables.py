"""Tables of the result of a sweep, as its page and its Markdown show them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Optional, Union

from ..results import (
    OVERALL,
    Bounds,
    Comparison,
    Cost,
    DoseCurve,
    DoseEffect,
    DoseResponse,
    Interval,
    Refused,
    SweepResult,
)
from ..results.comparison import PLAIN, SIZE_ADJUSTED
from ..results.cost import cost_table
from ..results.estimates import EstimateOrRefused, IntervalOrRefused, Number
from ..results.health import health_table
from ..results.power import power_table
from ..results.sweep import shape_table
from ..tables import MISSING, Table, estimate_points, interval_points, p_value, points

GAIN_NAMES = {PLAIN: 'plain', SIZE_ADJUSTED: 'size-adjusted'}
"""Kinds of clutter gain and their names in tables."""


class Numbers(NamedTuple):
    """A table with the reasons why some of its cells hold no number, each reason once."""

    table: Table
    reasons: Sequence[str] = ()


class SweepTables(NamedTuple):
    """The tables of a sweep's page; those of classes and errors by arm."""

    shapes: Optional[Numbers]
    effects: Numbers
    metrics: Numbers
    other_metrics: Numbers
    gains: Numbers
    power: Sequence[Numbers]
    classes: Mapping[str, Numbers]
    runs: Numbers
    health: Sequence[Numbers]
    doses: Sequence[Numbers]
    costs: Numbers
    errors: Mapping[str, Numbers]
    error_counts: Numbers


def sweep_tables(result: SweepResult, costs: Mapping[str, Cost]) -> SweepTables:
    """Return all tables of a sweep's page.

    Args:
        result: The result of the sweep.
        costs: The costs of the arms, with times.
    """
    comparison = result.comparison
    return SweepTables(
        shapes=Numbers(shape_table((comparison, result.boxes))) if result.boxes else None,
        effects=effect_table(comparison),
        metrics=metric_table(comparison),
        other_metrics=other_metrics_table(comparison),
        gains=gain_table(comparison),
        power=power_tables(comparison),
        classes={arm: class_table(comparison, arm) for arm in comparison.class_effects},
        runs=run_table(result),
        health=[Numbers(health_table(result.health))] if result.health else [],
        doses=dose_tables(result.dose) if result.dose else [],
        costs=Numbers(cost_table(dict(costs))),
        errors={arm: error_table(comparison, arm) for arm in comparison.effects},
        error_counts=error_count_table(comparison),
    )


def percent(share: float) -> str:
    """Return a share as a percentage.

    Example:
        >>> percent(0.95)
        '95 %'
    """
    return f'{100 * share:g} %'


def effect_table(comparison: Comparison) -> Numbers:
    """Return the effects on AP, one row per arm and scope."""
    rows = [
        (arm, scope, *_estimate_cells(comparison.effect(arm, scope)))
        for arm in comparison.effects
        for scope in comparison.scopes
    ]
    header = ('arm', 'scope', 'effect', *_estimate_header(comparison))
    return Numbers(Table(f'Effects on {comparison.ap} in points', header, rows))


def gain_table(comparison: Comparison) -> Numbers:
    """Return the clutter gains in AP, one row per arm and kind."""
    rows = [
        (arm, name, *_estimate_cells(comparison.gain(arm, kind)))
        for arm in comparison.effects
        for kind, name in GAIN_NAMES.items()
    ]
    header = ('arm', 'kind', 'gain', *_estimate_header(comparison))
    return Numbers(Table(f'Clutter gains in {comparison.ap}, in points', header, rows))


def power_tables(comparison: Comparison) -> list[Numbers]:
    """Return the smallest effects that are found by number of seeds; none for unpaired runs."""
    powers = list(comparison.power.values())
    return [Numbers(power_table(powers))] if powers else []


def summary_table(comparison: Comparison) -> Numbers:
    """Return the effects on AP and the clutter gains, one row per arm."""
    rows = [
        (
            arm,
            *(comparison.effect(arm, scope) for scope in comparison.scopes),
            *(comparison.gain(arm, kind) for kind in GAIN_NAMES),
        )
        for arm in comparison.effects
    ]
    level = percent(comparison.settings.level)
    return _numbers(
        f'Effects on {comparison.ap} in points against {comparison.baseline}, with {level} '
        'intervals',
        ('arm', *comparison.scopes, 'clutter gain', 'size-adjusted gain'),
        rows,
    )


def other_metrics_table(comparison: Comparison) -> Numbers:
    """Return the effects on all objects for every metric but AP."""
    metrics = list(
        dict.fromkeys(
            metric
            for scopes in comparison.effects.values()
            for metric in scopes[OVERALL]
            if metric != 'AP'
        )
    )
    rows = [
        (arm, *(comparison.effect(arm, metric=metric) for metric in metrics))
        for arm in comparison.effects
    ]
    caption = 'Effects on other metrics in points, on all objects; a lower MR is better'
    return _numbers(caption, ('arm', *metrics), rows)


def metric_table(comparison: Comparison) -> Numbers:
    """Return the mean AP of every arm in every scope."""
    metrics = (scope['AP'] for arm in comparison.arms.values() for scope in arm.metrics.values())
    return Numbers(comparison.metric_table(), _reasons(metrics))


def run_table(result: SweepResult) -> Numbers:
    """Return the AP of every run in every scope."""
    comparison = result.comparison
    shape = comparison.settings.iou_type
    names = {run.detections_of(shape): run.name for run in result.runs}
    rows = [
        (
            names.get(run.source, run.source),
            *(run.metrics[scope]['AP'] for scope in comparison.scopes),
        )
        for arm in comparison.arms.values()
        for run in arm.runs
    ]
    return _numbers(f'{comparison.ap} of every run in points', ('run', *comparison.scopes), rows)


def class_table(comparison: Comparison, arm: str) -> Numbers:
    """Return the AP of an arm and the effects on it by class; without rows with one class."""
    return Numbers(comparison.class_table(arm), _reasons(comparison.class_effects[arm].values()))


def error_table(comparison: Comparison, arm: str) -> Numbers:
    """Return the change of the AP50 that each type of error costs, in every scope."""
    scopes = comparison.error_effects[arm]
    rows = [
        (error_type, *(scopes[scope][error_type] for scope in comparison.scopes))
        for error_type in error_types(comparison)
    ]
    caption = f'Change of the AP50 that each type of error costs, in points: {arm}'
    return _numbers(caption, ('type', *comparison.scopes), rows)


def error_count_table(comparison: Comparison) -> Numbers:
    """Return the mean number of errors of each type."""
    types = error_types(comparison)
    rows = [
        (name, *(f'{arm.errors[OVERALL][error_type]:.1f}' for error_type in types))
        for name, arm in comparison.arms.items()
    ]
    caption = 'Number of errors on all objects, mean over the runs'
    return Numbers(Table(caption, ('arm', *types), rows))


def error_types(comparison: Comparison) -> list[str]:
    """Return the types of errors that a comparison distinguishes."""
    return list(comparison.arms[comparison.baseline].errors[OVERALL])


def dose_tables(dose: DoseResponse) -> list[Numbers]:
    """Return the AP by dose with mPC and rPC, and the effects on them."""
    header = ('arm', *(f'{dose.field} {value:g}' for value in dose.doses), 'mPC', 'rPC')
    means = [(arm, *_curve_entries(result.mean)) for arm, result in dose.arms.items()]
    effects = [(arm, *_curve_entries(effect)) for arm, effect in dose.effects.items()]
    return [
        _numbers('AP by dose in points; rPC in percent', header, means),
        _numbers('Effects by dose in points', header, effects),
    ]


def _curve_entries(curve: Union[DoseCurve, DoseEffect]) -> tuple[IntervalOrRefused, ...]:
    return (*curve.AP, curve.mPC, curve.rPC)


def _estimate_header(comparison: Comparison) -> tuple[str, ...]:
    level = percent(comparison.settings.level)
    return (f'{level} interval', 'over all arms', 'adjusted p', 'found 4 times in 5 from')


def _estimate_cells(estimate: EstimateOrRefused) -> tuple[str, ...]:
    """Return the cells of an estimate; where it is refused, the reason takes the first cell."""
    if isinstance(estimate, Refused):
        return estimate.reason, MISSING, MISSING, MISSING, MISSING
    detectable = estimate.detectable
    return (
        estimate_points(estimate.estimate, estimate.low, estimate.high, signed=True),
        interval_points(estimate.low, estimate.high, signed=True),
        str(estimate.simultaneous) if isinstance(estimate.simultaneous, Bounds) else MISSING,
        p_value(estimate.p_adjusted),
        estimate_points(detectable, estimate.low, estimate.high)
        if math.isfinite(detectable)
        else MISSING,
    )


def _numbers(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Union[str, Interval, Number]]],
) -> Numbers:
    """Return a table of numbers and intervals in points, with the reasons of the missing ones."""
    cells = [tuple(_cell(entry) for entry in row) for row in rows]
    return Numbers(Table(caption, header, cells), _reasons(entry for row in rows for entry in row))


def _cell(entry: Union[str, Interval, Number]) -> str:
    if isinstance(entry, Refused):
        return MISSING
    return points(entry) if isinstance(entry, (int, float)) else str(entry)


def _reasons(entries: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(entry.reason for entry in entries if isinstance(entry, Refused)))
