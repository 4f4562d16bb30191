"""Plotly figures of the pages, in one look."""

from typing import Any, Optional

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..evaluation.clutter import ClutterTable
from ..evaluation.measures import MEANINGS
from ..evaluation.strata import SIZES

INK, GRID, BAR = '#1f2933', '#d9dee3', '#4477aa'

STRATUM_COLORS = ('#4477aa', '#ddaa33', '#bb5566')
"""Least to most cluttered; told apart by colour-blind readers and in grey."""


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
