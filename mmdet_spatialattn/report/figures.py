"""Figures that the clutter table and the comparison offer as their plots."""

from typing import TYPE_CHECKING

from ..clutter.measures import MEANINGS
from ..clutter.table import ClutterTable
from ..comparison.compare import Comparison, estimate_of
from ..plots import EFFECT_TITLE, GAIN_STYLES, Series, forest, scope_series
from ..plots import distributions as draw_distributions

if TYPE_CHECKING:
    import plotly.graph_objects as go


def distributions(table: ClutterTable) -> 'go.Figure':
    """Return the distribution of every measure of a clutter table."""
    return draw_distributions({**table.objects, **table.images}, MEANINGS)


def effects(comparison: Comparison) -> 'go.Figure':
    """Return the effects on AP and the clutter gain of every arm, with their intervals."""
    rows = {
        arm: {scope: estimate_of(effects) for scope, effects in scopes.items()}
        for arm, scopes in comparison.effects.items()
    }
    scopes = ('overall', *(row['stratum'] for row in comparison.strata))
    gains = {arm: estimate_of(kinds['plain']) for arm, kinds in comparison.clutter_gain.items()}
    series = [*scope_series(scopes, rows), Series('clutter gain', gains, *GAIN_STYLES['plain'])]
    title = f'{EFFECT_TITLE} against {comparison.settings["baseline"]}'
    return forest(series, list(rows), title=title)
