"""Figures of the result of a sweep, composed of plain series."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Optional

from ..plots import (
    EFFECT_TITLE,
    SIDES_MARGIN,
    WORSE_BETTER,
    Point,
    cost_against_effect,
    dose_curves,
    forest,
    run_dots,
    scope_series,
    training_curves,
)
from ..results import Comparison, DoseResponse, Refused, SweepResult
from ..results.estimates import drawn
from ..results.power import power_figure
from .sweep_tables import error_types
from .training_log import read_losses

if TYPE_CHECKING:
    import plotly.graph_objects as go

    MaybeFigure = Optional[go.Figure]


class SweepFigures(NamedTuple):
    """The figures of a sweep's page; ``None`` where there is no number to draw.

    Attributes:
        effects: Effects of every arm by scope.
        levels: AP of every arm and of the baseline by scope.
        gains: Clutter gains of every arm.
        power: Smallest effects that are found, by number of seeds.
        training: Training loss of every run.
        runs: AP of every run, overall and in the most cluttered stratum, by scope.
        dose_means: AP of every arm by dose.
        dose_effects: Effect of every arm by dose.
        cost: Cost of every arm against its effect.
        errors: Change of the cost of every type of error, by arm.
    """

    effects: 'MaybeFigure'
    levels: 'MaybeFigure'
    gains: 'MaybeFigure'
    power: 'MaybeFigure'
    training: 'MaybeFigure'
    runs: 'dict[str, MaybeFigure]'
    dose_means: 'MaybeFigure'
    dose_effects: 'MaybeFigure'
    cost: 'MaybeFigure'
    errors: 'dict[str, MaybeFigure]'


def sweep_figures(
    result: SweepResult,
    folder: Path,
    ratios: Mapping[str, Mapping[str, float]],
    cost: Optional[str],
) -> SweepFigures:
    """Draw all figures of a sweep's page.

    Args:
        result: The result of the sweep.
        folder: The sweep's folder, where the logs of the trainings are looked up.
        ratios: By arm and kind of cost, the ratio to the baseline's cost.
        cost: The kind of cost that is shown first; ``None`` where no cost is known.
    """
    comparison, dose = result.comparison, result.dose
    scopes = comparison.scopes
    return SweepFigures(
        effects=effect_forest(comparison),
        levels=level_forest(comparison),
        gains=gain_forest(comparison),
        power=power_figure(list(comparison.power.values())) if comparison.power else None,
        training=_training(result, folder),
        runs={scope: _run_dots(comparison, scope) for scope in (scopes[0], scopes[-1])},
        dose_means=_dose_means(dose) if dose else None,
        dose_effects=_dose_effects(dose) if dose else None,
        cost=_cost(comparison, ratios, cost) if cost else None,
        errors={arm: _error_forest(comparison, arm) for arm in comparison.effects},
    )


def effect_forest(comparison: Comparison) -> 'MaybeFigure':
    """Draw the effects of every arm by scope."""
    figure = forest(
        comparison.effect_series(),
        list(comparison.effects),
        title=f'effect on {comparison.ap} in points',
        sides=WORSE_BETTER,
        equivalent=comparison.settings.delta,
    )
    return _unless_empty(figure)


def level_forest(comparison: Comparison) -> 'MaybeFigure':
    """Draw the AP of every arm by scope, with a band that is the interval of the baseline."""
    series = comparison.level_series()
    rows = [arm for arm in series[0].points if arm != comparison.baseline]
    figure = forest(series, rows, title=f'{comparison.ap} in points; bands: {comparison.baseline}')
    for entry in series:
        base = entry.points.get(comparison.baseline)
        if base is not None:
            band = {'fillcolor': entry.color, 'opacity': 0.25, 'line': {'width': 0}}
            figure.add_vrect(x0=100 * base.low, x1=100 * base.high, layer='below', **band)
    # Rows at the heights of the effects beside it, whose legend holds here too.
    return _unless_empty(figure.update_layout(showlegend=False, margin={'t': SIDES_MARGIN}))


def gain_forest(comparison: Comparison) -> 'MaybeFigure':
    """Draw the clutter gains of every arm."""
    figure = forest(
        comparison.gain_series(),
        list(comparison.effects),
        title='clutter gain in AP, in points',
        sides=('worse in clutter', 'better in clutter'),
    )
    return _unless_empty(figure)


def _training(result: SweepResult, folder: Path) -> 'MaybeFigure':
    curves = {
        arm: [points for run in runs if (points := read_losses(folder / run.name))]
        for arm, runs in result.finished.items()
    }
    return training_curves(curves, y_title='training loss') if any(curves.values()) else None


def _error_forest(comparison: Comparison, arm: str) -> 'MaybeFigure':
    scopes = comparison.error_effects[arm]
    rows = {
        error_type: {scope: drawn(scopes[scope][error_type]) for scope in comparison.scopes}
        for error_type in error_types(comparison)
    }
    series = scope_series(comparison.scopes, rows)
    return _unless_empty(
        forest(
            series,
            list(rows),
            title='change of the cost, AP50 in points',
            sides=('costs less', 'costs more'),
        )
    )


def _run_dots(comparison: Comparison, scope: str) -> 'MaybeFigure':
    values = {}
    for name, arm in comparison.arms.items():
        metrics = [run.metrics[scope]['AP'] for run in arm.runs]
        values[name] = [None if isinstance(ap, Refused) else ap for ap in metrics]
    return _unless_empty(run_dots(values, comparison.baseline))


def _dose_means(dose: DoseResponse) -> 'MaybeFigure':
    curves = {name: [drawn(ap) for ap in arm.mean.AP] for name, arm in dose.arms.items()}
    figure = dose_curves(dose.doses, curves, x_title=dose.field, y_title='AP in points')
    return _unless_empty(figure)


def _dose_effects(dose: DoseResponse) -> 'MaybeFigure':
    curves = {arm: [drawn(ap) for ap in effect.AP] for arm, effect in dose.effects.items()}
    figure = dose_curves(dose.doses, curves, x_title=dose.field, y_title=EFFECT_TITLE)
    return _unless_empty(figure)


def _cost(
    comparison: Comparison, ratios: Mapping[str, Mapping[str, float]], cost: str
) -> 'MaybeFigure':
    effects = {arm: drawn(comparison.effect(arm)) for arm in comparison.effects}
    if not any(effects.values()):
        return None
    points = {comparison.baseline: Point(0, 0, 0), **effects}
    return cost_against_effect(ratios, points, cost=cost)


def _unless_empty(figure: 'go.Figure') -> 'MaybeFigure':
    return figure if any(trace.x for trace in figure.data) else None
