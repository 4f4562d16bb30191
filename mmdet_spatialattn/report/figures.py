"""Plotly figures of the pages, in one look."""

import html
from typing import Any, Optional

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..evaluation.clutter import ClutterTable
from ..evaluation.comparison import Comparison, estimate_of
from ..evaluation.measures import MEANINGS
from ..evaluation.strata import SIZES

INK, GRID, BAR = '#1f2933', '#d9dee3', '#4477aa'

STRATUM_COLORS = ('#4477aa', '#ddaa33', '#bb5566')
"""Least to most cluttered; told apart by colour-blind readers and in grey."""


ARM_COLORS = ('#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377', '#bbbbbb')
"""Of arms, told apart by colour-blind readers."""

SIZE_COLORS = ('#1f3b57', '#5b84ac', '#b9cfe4')
"""Small to large."""


def styled(figure: go.Figure, height: Optional[int] = None) -> go.Figure:
    """Give a figure the common look."""
    return figure.update_layout(
        template='plotly_white',
        font={'family': 'system-ui, sans-serif', 'size': 13, 'color': INK},
        margin={'l': 56, 'r': 12, 't': 36, 'b': 44},
        height=height,
        bargap=0.05,
        showlegend=False,
    )


def histogram(name: str, values: np.ndarray) -> go.Bar:
    """Return the bars of a measure's distribution; whole numbers get a bar each."""
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0, 1)
    if (known == known.round()).all() and high - low <= 40:
        edges = np.arange(low, high + 2) - 0.5
    else:
        edges = np.linspace(low, high if high > low else low + 1, 31)
    count, _ = np.histogram(known, edges)
    return go.Bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=count,
        width=np.diff(edges),
        marker={'color': BAR, 'line': {'width': 0}},
        hovertemplate='%{x:.3g}: %{y}<extra></extra>',
        name=name,
    )


def distribution(name: str, values: np.ndarray) -> go.Figure:
    """Return a figure of one measure's distribution."""
    figure = styled(go.Figure(histogram(name, values)), height=240)
    figure.update_layout(title={'text': name, 'font': {'size': 15}})
    return figure


def distributions(table: ClutterTable) -> go.Figure:
    """Return a figure with the distribution of every measure that has numbers."""
    columns = {**table.objects, **table.images}
    columns = {name: values for name, values in columns.items() if not np.isnan(values).all()}
    rows = -(-len(columns) // 3)
    titles = [f'{name}<br><sup>{MEANINGS[name]}</sup>' for name in columns]
    figure = make_subplots(rows=max(rows, 1), cols=3, subplot_titles=titles)
    for place, (name, values) in enumerate(columns.items()):
        figure.add_trace(histogram(name, values), row=place // 3 + 1, col=place % 3 + 1)
    return styled(figure, height=max(rows, 1) * 280)


def strata_by_size(rows: list[dict[str, Any]]) -> go.Figure:
    """Return stacked bars: the objects of each stratum by COCO size, in percent.

    Args:
        rows: Of :meth:`~mmdet_spatialattn.evaluation.clutter.ClutterTable.strata`.
    """
    figure = go.Figure()
    for size, color in zip(SIZES, SIZE_COLORS):
        share = [100 * row[size] / max(sum(row[s] for s in SIZES), 1) for row in rows]
        figure.add_bar(
            y=[row['stratum'] for row in rows],
            x=share,
            orientation='h',
            name=size,
            marker={'color': color},
            text=[f'{value:.0f} %' if value >= 8 else '' for value in share],
            hovertemplate='%{y}: %{x:.1f} % ' + size + '<extra></extra>',
        )
    figure = styled(figure, height=220)
    return figure.update_layout(
        barmode='stack',
        bargap=0.25,
        showlegend=True,
        legend={'orientation': 'h', 'y': 1.2, 'traceorder': 'normal'},
        xaxis={'ticksuffix': ' %', 'range': [0, 100]},
        yaxis={'autorange': 'reversed', 'automargin': True},
    )


def effects(comparison: Comparison) -> go.Figure:
    """Return every arm's effects on AP in points, with their intervals: a row per stratum."""
    figure = go.Figure()
    arms = list(comparison.effects)
    for i, arm in enumerate(arms):
        places = {**comparison.effects[arm], 'clutter gain': comparison.clutter_gain[arm]['plain']}
        found = {name: one for name, of in places.items() if (one := estimate_of(of))}
        figure.add_trace(
            go.Scatter(
                name=arm,
                x=[100 * effect.estimate for effect in found.values()],
                y=list(found),
                mode='markers',
                marker={'color': ARM_COLORS[i % len(ARM_COLORS)], 'size': 9},
                error_x={
                    'array': [100 * (e.high - e.estimate) for e in found.values()],
                    'arrayminus': [100 * (e.estimate - e.low) for e in found.values()],
                },
                hovertemplate='%{y}: %{x:+.2f}<extra>' + html.escape(arm) + '</extra>',
            )
        )
    figure.add_vline(x=0, line={'color': INK, 'width': 1})
    styled(figure, height=140 + 60 * (2 + len(comparison.strata)))
    return figure.update_layout(
        showlegend=len(arms) > 1,
        scattermode='group',
        xaxis={'title': f'AP in points above {html.escape(comparison.settings["baseline"])}'},
        yaxis={'autorange': 'reversed'},
    )
