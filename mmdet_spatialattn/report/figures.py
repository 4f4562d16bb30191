"""Plotly figures of the pages, in one look.

Names of arms and strata come from data: they pass :func:`html.escape`, as Plotly reads its texts as
HTML. Traces of an arm carry its name in ``meta``, by which the page finds them.
"""

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from ..clutter import SIZES
from ..clutter.measures import MEANINGS
from ..clutter.table import ClutterTable
from ..comparison.compare import Comparison
from .sweep_tables import at_place, estimate_in, interval_text

INK, GRID, BAR = '#1f2933', '#d9dee3', '#4477aa'

STRATUM_COLORS = ('#3f97d0', '#a86e00', '#8c1d3f')
"""Least to most cluttered; told apart by colour-blind readers and, as they darken, in grey."""

SYMBOLS = ('circle', 'square', 'triangle-up', 'cross', 'x', 'pentagon', 'star')
"""Of strata in plots: colour is never all that tells them apart."""

EFFECT = 'effect on AP in points'
"""Title of an axis."""

SIZE_COLORS = ('#1f3b57', '#5b84ac', '#b9cfe4')
"""Small to large."""


def styled(figure: go.Figure, height: Optional[int] = None, titled: bool = False) -> go.Figure:
    """Give a figure the common look."""
    return figure.update_layout(
        template='plotly_white',
        font={'family': 'system-ui, sans-serif', 'size': 13, 'color': INK},
        margin={'l': 56, 'r': 12, 't': 36 if titled else 8, 'b': 44},
        height=height,
        bargap=0.05,
        showlegend=False,
        dragmode=False,  # a finger on a plot scrolls the page
        hoverlabel={'bgcolor': '#ffffff', 'font': {'color': INK}},
    )


def stratum_colors(n: int) -> list[str]:
    """Return a colour per stratum, the least cluttered first."""
    if n == len(STRATUM_COLORS):
        return list(STRATUM_COLORS)
    return sample_colorscale(list(STRATUM_COLORS), [i / max(n - 1, 1) for i in range(n)])


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
    figure = styled(go.Figure(histogram(name, values)), height=240, titled=True)
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
    return styled(figure, height=max(rows, 1) * 280, titled=True)


def strata_by_size(rows: list[dict[str, Any]]) -> go.Figure:
    """Return stacked bars: the objects of each stratum by COCO size, in percent.

    Args:
        rows: Of :meth:`~mmdet_spatialattn.clutter.table.ClutterTable.strata`.
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
    figure = styled(figure, height=220, titled=True)
    return figure.update_layout(
        barmode='stack',
        bargap=0.25,
        showlegend=True,
        legend={'orientation': 'h', 'y': 1.2, 'traceorder': 'normal'},
        xaxis={'ticksuffix': ' %', 'range': [0, 100]},
        yaxis={'autorange': 'reversed', 'automargin': True},
    )


class Series(NamedTuple):
    """What a forest plot shows in one colour.

    Attributes:
        name: In the legend.
        color: Of marker and interval.
        symbol: Of the marker.
        values: By row, ``estimate``, ``low`` and ``high`` as fractions; ``None`` for none.
    """

    name: str
    color: str
    symbol: str
    values: Mapping[str, Optional[Mapping[str, float]]]


def place_series(strata: Sequence[str], of: Mapping[str, Mapping[str, Any]]) -> list[Series]:
    """Return a series overall and one per stratum.

    Args:
        strata: Their names, the least cluttered first.
        of: By row and place, an estimate or ``None``.
    """
    looks = [(INK, 'diamond'), *zip(stratum_colors(len(strata)), SYMBOLS * len(strata))]
    return [
        Series(place, *look, {row: places[place] for row, places in of.items()})
        for place, look in zip(('overall', *strata), looks)
    ]


def effect_series(comparison: Mapping[str, Any]) -> list[Series]:
    """Return the effects on AP of a comparison's JSON: a row per arm."""
    strata = [row['stratum'] for row in comparison['strata']]
    return place_series(
        strata,
        {
            arm: {place: estimate_in(at_place(of, place)) for place in ('overall', *strata)}
            for arm, of in comparison['effects'].items()
        },
    )


def gain_series(comparison: Mapping[str, Any]) -> list[Series]:
    """Return the clutter gains in AP of a comparison's JSON: a row per arm."""
    gains = comparison['clutter_gain']
    looks = {'plain': ('#7b2d8b', 'hexagon'), 'size_adjusted': ('#007788', 'hexagon-open')}
    return [
        Series(
            'clutter gain' if kind == 'plain' else 'size-adjusted',
            *look,
            {arm: estimate_in(of[kind]) for arm, of in gains.items()},
        )
        for kind, look in looks.items()
    ]


def effects(comparison: Comparison) -> go.Figure:
    """Return every arm's effects on AP in points and its clutter gain, with their intervals."""
    data = comparison.to_json()
    series = [*effect_series(data), gain_series(data)[0]]
    return forest(series, list(data['effects']), f'{EFFECT} against {data["settings"]["baseline"]}')


def forest(series: Sequence[Series], rows: Sequence[str], title: str) -> go.Figure:
    """Return a forest plot: a row per name, in it a marker with its interval per series.

    Args:
        series: What stands in every row.
        rows: Their names, from the top.
        title: Of the axis, which is in points, hundredths.
    """
    figure = go.Figure()
    for k, (name, color, symbol, values) in enumerate(series):
        at = [(i, row, value) for i, row in enumerate(rows) if (value := values[row])]
        hover = [f'{row}, {name}: {interval_text(value)}' for _, row, value in at]
        offset = 0.8 * ((k + 0.5) / len(series) - 0.5)
        figure.add_scatter(
            name=html.escape(name),
            x=[100 * value['estimate'] for _, _, value in at],
            y=[i + offset for i, _, _ in at],
            mode='markers',
            marker={'color': color, 'size': 9, 'symbol': symbol},
            error_x={**_reach(value for _, _, value in at), 'color': color},
            customdata=[html.escape(text) for text in hover],
            hovertemplate='%{customdata}<extra></extra>',
        )
    figure.add_vline(x=0, line={'color': INK, 'width': 1})
    _rows(figure, rows, max(18 * len(series) + 8, 36))
    return figure.update_layout(
        showlegend=True,
        legend={'orientation': 'h', 'y': 1, 'yanchor': 'bottom', 'x': 0},
        margin={'t': 36},
        xaxis={'title': {'text': html.escape(title)}, 'zeroline': False},
    )


def run_dots(values: Mapping[str, Sequence[Optional[float]]], baseline: str) -> go.Figure:
    """Return a row per arm with a dot per run, and a stroke at their mean.

    Args:
        values: By arm, the AP of each run as a fraction.
        baseline: The arm whose mean is drawn through all rows.
    """
    known = {arm: [100 * v for v in of if v is not None] for arm, of in values.items()}
    means = {arm: sum(of) / len(of) for arm, of in known.items() if of}
    row = {arm: i for i, arm in enumerate(values)}
    stroke = {'symbol': 'line-ns', 'size': 22, 'line': {'width': 3, 'color': INK}}
    dot = {'symbol': 'circle', 'size': 9, 'color': BAR, 'opacity': 0.8}
    figure = go.Figure()
    for marker, at in (
        (stroke, list(means.items())),
        (dot, [(arm, x) for arm, of in known.items() for x in of]),
    ):
        figure.add_scatter(
            x=[x for _, x in at],
            y=[row[arm] for arm, _ in at],
            mode='markers',
            marker=marker,
            customdata=[html.escape(arm) for arm, _ in at],
            hovertemplate='%{customdata}: %{x:.1f}<extra></extra>',
        )
    if baseline in means:
        figure.add_vline(x=means[baseline], line={'color': INK, 'width': 1, 'dash': 'dot'})
    _rows(figure, list(values), 36)
    return figure.update_layout(xaxis={'title': {'text': 'AP in points'}})


def dose_curves(
    doses: Sequence[float],
    curves: Mapping[str, Sequence[Optional[Mapping[str, float]]]],
    titles: tuple[str, str],
) -> go.Figure:
    """Return a curve per arm over the doses, with the band of its intervals.

    Args:
        doses: Rising.
        curves: By arm, an interval per dose.
        titles: Of the two axes.
    """
    figure = go.Figure()
    for arm, values in curves.items():
        at = [(dose, value) for dose, value in zip(doses, values) if value]
        x = [dose for dose, _ in at]
        high = [100 * value['high'] for _, value in at]
        low = [100 * value['low'] for _, value in at]
        common = {'meta': {'arm': arm, 'part': 'band'}, 'hoverinfo': 'skip', 'mode': 'lines'}
        figure.add_scatter(
            x=x + x[::-1],
            y=high + low[::-1],
            fill='toself',
            line={'width': 0},
            visible=False,
            **common,
        )
        figure.add_scatter(
            x=x,
            y=[100 * value['estimate'] for _, value in at],
            mode='lines+markers',
            meta={'arm': arm, 'part': 'line'},
            customdata=[html.escape(arm)] * len(x),
            hovertemplate='%{customdata}, %{x}: %{y:.1f}<extra></extra>',
        )
    styled(figure, height=340)
    return figure.update_layout(
        xaxis={'title': {'text': html.escape(titles[0])}, 'tickvals': list(doses)},
        yaxis={'title': {'text': html.escape(titles[1])}},
    )


def cost_against_effect(
    costs: Mapping[str, Mapping[str, float]],
    found: Mapping[str, Optional[Mapping[str, float]]],
    kind: str,
) -> go.Figure:
    """Return a marker per arm: what it costs, times the baseline, against its effect on AP.

    Args:
        costs: By arm and kind of cost, the ratio to the baseline; the page switches between kinds.
        found: By arm, its effect and interval; the baseline's is zero by definition.
        kind: The kind that is shown first.
    """
    figure = go.Figure()
    for arm, ratios in costs.items():
        value = found[arm]
        if value is None:
            continue
        figure.add_scatter(
            x=[ratios.get(kind)],
            y=[100 * value['estimate']],
            error_y=_reach([value]),
            mode='markers',
            marker={'size': 10},
            meta={'arm': arm, 'part': 'point', 'costs': dict(ratios)},
            customdata=[html.escape(arm)],
            hovertemplate='%{customdata}: %{x:.3f} times, %{y:+.1f}<extra></extra>',
        )
    figure.add_hline(y=0, line={'color': INK, 'width': 1})
    styled(figure, height=420)
    return figure.update_layout(
        xaxis={'title': {'text': f'{kind}, times the baseline'}},
        yaxis={'title': {'text': EFFECT}, 'zeroline': False},
    )


def _reach(values: Any) -> dict[str, Any]:
    """Return error bars from a marker to the ends of its interval, in points."""
    ends = [(v['high'] - v['estimate'], v['estimate'] - v['low']) for v in values]
    return {'array': [100 * up for up, _ in ends], 'arrayminus': [100 * down for _, down in ends]}


def _rows(figure: go.Figure, names: Sequence[str], height: int) -> None:
    """Lay out an axis of names from the top, each in a row of its own."""
    texts = [_wrapped(name) for name in names]
    lines = max((text.count('<br>') + 1 for text in texts), default=1)
    styled(figure, height=90 + max(height, 18 * lines) * max(len(names), 1))
    for i in range(1, len(names), 2):
        band = {'fillcolor': '#f0f3f6', 'line': {'width': 0}, 'layer': 'below'}
        figure.add_shape(xref='paper', x0=0, x1=1, y0=i - 0.5, y1=i + 0.5, **band)
    figure.update_yaxes(
        range=[len(names) - 0.5, -0.5],
        tickvals=list(range(len(names))),
        ticktext=texts,
        automargin=True,
        showgrid=False,
        zeroline=False,
    )


def _wrapped(name: str) -> str:
    """Return a name in lines short enough for a phone, as Plotly reads texts."""
    return '<br>'.join(html.escape(line) for line in textwrap.wrap(name, 16) or [''])
