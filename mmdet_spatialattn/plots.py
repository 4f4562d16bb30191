"""Interactive figures of plain series: names, values and their intervals.

Metrics are given as fractions and drawn in points, which are hundredths. ``None`` in the place of a
value means that there is nothing to draw. Names may come from data, and Plotly interprets its texts
as HTML, so every name is escaped. A trace that belongs to one arm carries the arm's name in
``meta``, where the script of a page finds it.

Plotly is an optional package: it is imported when the first figure is drawn.
"""

import html
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Protocol

import numpy as np

from .errors import require
from .tables import estimate_points, interval_points

if TYPE_CHECKING:
    import plotly.graph_objects as go

PAPER, INK, BAR_COLOR = '#ffffff', '#1f2933', '#4477aa'
"""Colour of the background, of lines and text, and of bars and dots."""

GRID, SHADE = '#d9dee3', '#f4f6f8'
"""Colour of grid lines, and of bands behind the data."""

STRATUM_COLORS = ('#2f8ac4', '#a86e00', '#8c1d3f')
"""Colours of three strata, the least cluttered first.

Readers with impaired colour vision can distinguish them, and they darken in greyscale.
"""

SYMBOLS = ('circle', 'square', 'triangle-up', 'cross', 'x', 'pentagon', 'star')
"""Marker symbols of the strata, so that colour is never the only distinction."""

SIZE_COLORS = ('#16304a', '#3f6a94', '#6b93be')
"""Colours of the object sizes, from small to large."""

GAIN_STYLES = {'plain': ('#7b2d8b', 'hexagon'), 'size_adjusted': ('#007788', 'hexagon-open')}
"""Colour and marker symbol of each kind of clutter gain."""

CHOSEN, OTHER = '#c2410c', '#7d8894'
"""Colour of the arm that a reader chose, and of those that were not chosen."""

DARK = {
    PAPER: '#14191f',
    INK: '#e4e9ee',
    BAR_COLOR: '#7fb0e0',
    GRID: '#39434d',
    SHADE: '#1f272f',
    **dict(zip(STRATUM_COLORS, ('#58b0e8', '#dc9a2c', '#f2809f'))),
    **dict(zip(SIZE_COLORS, ('#9fc3e6', '#6d9acb', '#4c7bab'))),
    '#7b2d8b': '#cf94dc',
    '#007788': '#3fb6c8',
    CHOSEN: '#fb8f5a',
    OTHER: '#8a94a0',
}
"""By colour of a figure, the colour that takes its place on a dark background."""

LABEL_HEIGHT, LABEL_SHIFT = 16, 18
"""Height of the label of a point, and how far it stands beside the point, in pixels."""

COST_HEIGHT, COST_MARGINS = 420, 52
"""Height of the figure of costs, and of what is above and below its axes, in pixels."""

WORSE_BETTER = ('worse', 'better')
"""What the two sides of 0 mean in a figure of effects."""

SIDES_MARGIN = 60
"""Height of the legend and of the words for both sides of 0 above a figure, in pixels."""

EFFECT_TITLE = 'effect on AP in points'
"""Axis title of effects on AP."""

AXIS = {'gridcolor': GRID, 'linecolor': GRID, 'zerolinecolor': GRID}
"""Style of every axis."""

WHOLE_NUMBER_BARS = 40
"""Largest range of whole numbers that a histogram shows with one bar per number."""


class WithInterval(Protocol):
    """Any value with an interval: ``estimate``, ``low`` and ``high``."""

    @property
    def estimate(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


class Point(NamedTuple):
    """A value with its interval, as fractions, and perhaps a wider one around it."""

    estimate: float
    low: float
    high: float
    outer: Optional[tuple[float, float]] = None


class Series(NamedTuple):
    """The points of a forest plot that share a colour and a symbol.

    Attributes:
        name: Name in the legend.
        points: The point of each row; ``None`` where a row has none.
        color: Colour of the markers and intervals.
        symbol: Symbol of the markers.
    """

    name: str
    points: Mapping[str, Optional[WithInterval]]
    color: str
    symbol: str


def stratum_colors(n: int) -> list[str]:
    """Return a colour for each of ``n`` strata, the least cluttered first."""
    if n == len(STRATUM_COLORS):
        return list(STRATUM_COLORS)
    positions = [i / max(n - 1, 1) for i in range(n)]
    return _plotly('colors').sample_colorscale(list(STRATUM_COLORS), positions)


def dark_palette(n_strata: int) -> dict[str, str]:
    """Return :data:`DARK` with the colours of so many strata."""
    colors = stratum_colors(n_strata)
    dark = [DARK[color] for color in STRATUM_COLORS]
    if n_strata == len(dark):
        return dict(DARK)
    positions = [i / max(n_strata - 1, 1) for i in range(n_strata)]
    return {**DARK, **dict(zip(colors, _plotly('colors').sample_colorscale(dark, positions)))}


def scope_series(
    scopes: Sequence[str], rows: Mapping[str, Mapping[str, Optional[WithInterval]]]
) -> list[Series]:
    """Return one series per scope.

    Args:
        scopes: Names of the scopes: all objects first, then the strata, the least cluttered first.
        rows: The point of every scope, by the name of the row.
    """
    n_strata = len(scopes) - 1
    styles = [(INK, 'diamond'), *zip(stratum_colors(n_strata), SYMBOLS * n_strata)]
    return [
        Series(scope, {row: by_scope[scope] for row, by_scope in rows.items()}, *style)
        for scope, style in zip(scopes, styles)
    ]


def forest(
    series: Sequence[Series],
    rows: Sequence[str],
    *,
    title: str = EFFECT_TITLE,
    sides: Optional[tuple[str, str]] = None,
    equivalent: float = 0,
) -> 'go.Figure':
    """Draw a forest plot: in every row, one marker with its interval per series.

    Wider intervals around them, where points have one, are thin lines. The axis is as long as the
    other intervals need, so that one very wide interval does not squeeze the others.

    Args:
        series: The series, in the order of the legend.
        rows: Names of the rows, from the top.
        title: Title of the axis, which is in points.
        sides: What it means to be left and right of 0; without it, 0 is not marked.
        equivalent: Effects of at most this size count as none; a band shows them.
    """
    figure = _figure()
    for number, (name, by_row, color, symbol) in enumerate(series):
        offset = 0.8 * ((number + 0.5) / len(series) - 0.5)
        drawn = [
            (y, row, point) for y, row in enumerate(rows) if (point := by_row[row]) is not None
        ]
        outer = [
            (y + offset, *point.outer)
            for y, _, point in drawn
            if isinstance(point, Point) and point.outer is not None
        ]
        if outer:
            figure.add_scatter(
                name=html.escape(name),
                x=[x for _, low, high in outer for x in (100 * low, 100 * high, None)],
                y=[value for y, _, _ in outer for value in (y, y, None)],
                mode='lines',
                line={'color': color, 'width': 1},
                legendgroup=name,
                showlegend=False,
                hoverinfo='skip',
            )
        figure.add_scatter(
            name=html.escape(name),
            legendgroup=name,
            x=[100 * point.estimate for _, _, point in drawn],
            y=[y + offset for y, _, _ in drawn],
            mode='markers',
            marker={'color': color, 'size': 9, 'symbol': symbol},
            error_x={
                **_error_bars(point for _, _, point in drawn),
                'color': color,
                'thickness': 3,
                'width': 0,
            },
            customdata=[
                html.escape(f'{row}, {name}: {_interval_text(point)}') for _, row, point in drawn
            ],
            hovertemplate='%{customdata}<extra></extra>',
        )
    _lay_out_rows(figure, rows, max(18 * len(series) + 8, 36))
    figure.update_layout(
        showlegend=True,
        legend={'orientation': 'h', 'yref': 'container', 'y': 1, 'yanchor': 'top', 'x': 0},
        margin={'t': SIDES_MARGIN if sides else 36},
        xaxis={
            'title': {'text': html.escape(title)},
            'zeroline': False,
            'range': _forest_range(series, equivalent if sides else None),
        },
    )
    if sides:
        _mark_sides(figure, sides, equivalent)
    return figure


def _forest_range(
    series: Sequence[Series], equivalent: Optional[float]
) -> Optional[tuple[float, float]]:
    """Return the range of the axis in points; ``None`` leaves it to Plotly.

    It holds every interval, and of the wider ones what lies within one and a half times that range.

    Args:
        series: The series.
        equivalent: Size of the band around 0, which is in the range; ``None`` if 0 need not be.
    """
    points = [point for _, by_row, _, _ in series for point in by_row.values() if point is not None]
    if not points:
        return None
    ends = [end for point in points for end in (point.low, point.high)]
    if equivalent is not None:
        ends += [-equivalent, equivalent]
    low, high = min(ends), max(ends)
    reach = max((high - low) / 4, 0.001)
    outer = [getattr(point, 'outer', None) or (point.low, point.high) for point in points]
    left = max(min(low, *(ends[0] for ends in outer)), low - reach)
    right = min(max(high, *(ends[1] for ends in outer)), high + reach)
    margin = 0.03 * (right - left) + 1e-4
    return 100 * (left - margin), 100 * (right + margin)


def _mark_sides(figure: 'go.Figure', sides: tuple[str, str], equivalent: float) -> None:
    """Draw a line at 0, and say above it what its sides mean."""
    if equivalent:
        band = {'fillcolor': GRID, 'opacity': 0.5, 'line': {'width': 0}, 'layer': 'below'}
        figure.add_shape(
            yref='paper', y0=0, y1=1, x0=-100 * equivalent, x1=100 * equivalent, **band
        )
    figure.add_vline(x=0, line={'color': INK, 'width': 1})
    for text, anchor, shift in (
        (f'\u25c0 {sides[0]}', 'right', -6),
        (f'{sides[1]} \u25b6', 'left', 6),
    ):
        figure.add_annotation(
            text=html.escape(text),
            x=0,
            xanchor=anchor,
            xshift=shift,
            y=1,
            yref='paper',
            yanchor='bottom',
            showarrow=False,
        )


def run_dots(values: Mapping[str, Sequence[Optional[float]]], baseline: str) -> 'go.Figure':
    """Draw the AP of every run: one row per arm, with a dot per run and a stroke at their mean.

    Args:
        values: The AP of the runs of each arm.
        baseline: The arm whose mean is drawn as a line through all rows.
    """
    rows = {arm: y for y, arm in enumerate(values)}
    known = {arm: [100 * ap for ap in runs if ap is not None] for arm, runs in values.items()}
    means = {arm: sum(runs) / len(runs) for arm, runs in known.items() if runs}
    stroke = {'symbol': 'line-ns', 'size': 22, 'line': {'width': 3, 'color': INK}}
    dot = {'symbol': 'circle', 'size': 9, 'color': BAR_COLOR, 'opacity': 0.8}
    figure = _figure()
    for marker, marks in (
        (stroke, list(means.items())),
        (dot, [(arm, ap) for arm, runs in known.items() for ap in runs]),
    ):
        figure.add_scatter(
            x=[ap for _, ap in marks],
            y=[rows[arm] for arm, _ in marks],
            mode='markers',
            marker=marker,
            customdata=[html.escape(arm) for arm, _ in marks],
            hovertemplate='%{customdata}: %{x:.1f}<extra></extra>',
        )
    if baseline in means:
        figure.add_vline(x=means[baseline], line={'color': INK, 'width': 1, 'dash': 'dot'})
    _lay_out_rows(figure, list(values), 36)
    return figure.update_layout(xaxis={'title': {'text': 'AP in points'}})


def dose_curves(
    doses: Sequence[float],
    curves: Mapping[str, Sequence[Optional[WithInterval]]],
    *,
    x_title: str,
    y_title: str,
) -> 'go.Figure':
    """Draw one curve per arm over the doses, with a band of its intervals.

    The bands are hidden at first; the script of a page shows those of the chosen arms.

    Args:
        doses: The doses, in rising order.
        curves: By arm, one point per dose.
        x_title: Title of the axis of the doses.
        y_title: Title of the axis of the points.
    """
    figure = _figure()
    for arm, curve in curves.items():
        drawn = [(dose, point) for dose, point in zip(doses, curve) if point is not None]
        x = [dose for dose, _ in drawn]
        low = [100 * point.low for _, point in drawn]
        high = [100 * point.high for _, point in drawn]
        figure.add_scatter(
            x=x + x[::-1],
            y=high + low[::-1],
            mode='lines',
            fill='toself',
            line={'width': 0},
            visible=False,
            meta={'arm': arm, 'part': 'band'},
            hoverinfo='skip',
        )
        figure.add_scatter(
            x=x,
            y=[100 * point.estimate for _, point in drawn],
            mode='lines+markers',
            meta={'arm': arm, 'part': 'line'},
            customdata=[html.escape(arm)] * len(x),
            hovertemplate='%{customdata}, %{x}: %{y:.1f}<extra></extra>',
        )
    return _styled(figure, height=340).update_layout(
        xaxis={'title': {'text': html.escape(x_title)}, 'tickvals': list(doses)},
        yaxis={'title': {'text': html.escape(y_title)}},
    )


def training_curves(
    curves: Mapping[str, Sequence[Sequence[tuple[float, float]]]], *, y_title: str
) -> 'go.Figure':
    """Draw one line per run.

    Args:
        curves: By arm, the points of each of its runs: the step and the value.
        y_title: Title of the axis of the values.
    """
    figure = _figure()
    for arm, runs in curves.items():
        for points in runs:
            figure.add_scatter(
                x=[step for step, _ in points],
                y=[value for _, value in points],
                mode='lines',
                line={'width': 1.5},
                meta={'arm': arm, 'part': 'line'},
                customdata=[html.escape(arm)] * len(points),
                hovertemplate='%{customdata}, step %{x}: %{y:.3g}<extra></extra>',
            )
    return _styled(figure, height=340).update_layout(
        xaxis={'title': {'text': 'step'}}, yaxis={'title': {'text': html.escape(y_title)}}
    )


def power_lines(curves: Mapping[str, Sequence[tuple[int, float]]]) -> 'go.Figure':
    """Draw the smallest effect that is found against the number of seeds, a line per question.

    Args:
        curves: By question, numbers of seeds and effects.
    """
    figure = _figure()
    colors = [INK, *stratum_colors(max(len(curves) - 1, 1))[::-1]]
    for (name, curve), color, symbol in zip(curves.items(), colors, SYMBOLS * len(colors)):
        figure.add_scatter(
            x=[seeds for seeds, _ in curve],
            y=[100 * effect for _, effect in curve],
            name=html.escape(name),
            mode='lines+markers',
            line={'color': color},
            marker={'color': color, 'symbol': symbol, 'size': 8},
            hovertemplate='%{x} seeds: %{y:.2f}<extra></extra>',
        )
    figure.update_xaxes(title={'text': 'seeds of every arm'}, type='log', tickmode='array')
    ticks = sorted({seeds for curve in curves.values() for seeds, _ in curve})
    return _styled(figure, height=320).update_layout(
        xaxis={'tickvals': ticks},
        yaxis={'title': {'text': 'effect found 4 times in 5 (points)'}, 'rangemode': 'tozero'},
        showlegend=True,
    )


def cost_against_effect(
    ratios: Mapping[str, Mapping[str, float]],
    effects: Mapping[str, Optional[WithInterval]],
    *,
    cost: str,
) -> 'go.Figure':
    """Draw one marker per arm: its cost as a multiple of the baseline's, and its effect on AP.

    The name of every arm stands beside its marker, moved up or down so that no two names meet.

    Args:
        ratios: By arm and kind of cost, the ratio to the baseline's cost.
        effects: The effect of each arm on AP, zero for the baseline. An arm without an effect is
            left out.
        cost: The kind of cost that is shown first; the script of a page switches between them.
    """
    figure = _figure()
    known = {arm: effects.get(arm) for arm in ratios}
    drawn = {arm: effect for arm, effect in known.items() if effect is not None}
    ends = [100 * end for effect in drawn.values() for end in (effect.low, effect.high)]
    low, high = min(ends, default=0), max(ends, default=0)
    margin = (high - low or 1) / 20
    low, high = low - margin, high + margin
    height = COST_HEIGHT - COST_MARGINS
    heights = {
        arm: height * (100 * effect.estimate - low) / (high - low) for arm, effect in drawn.items()
    }
    labels = _spread({arm: place + LABEL_HEIGHT / 2 for arm, place in heights.items()}, height)
    for arm, effect in drawn.items():
        figure.add_scatter(
            x=[ratios[arm].get(cost)],
            y=[100 * effect.estimate],
            error_y={**_error_bars([effect]), 'width': 0},
            mode='markers',
            marker={'size': 10},
            cliponaxis=False,
            meta={'arm': arm, 'part': 'point', 'costs': dict(ratios[arm])},
            customdata=[html.escape(arm)],
            hovertemplate='%{customdata}: %{x:.3f} times, %{y:+.1f}<extra></extra>',
        )
        figure.add_annotation(
            name=arm,
            text=html.escape(arm),
            x=ratios[arm].get(cost),
            y=100 * effect.estimate,
            ax=LABEL_SHIFT,
            ay=heights[arm] - labels[arm],
            xanchor='left',
            arrowhead=0,
            arrowwidth=1,
            standoff=6,
            visible=cost in ratios[arm],
        )
    figure.add_hline(y=0, line={'color': INK, 'width': 1})
    return _styled(figure, height=COST_HEIGHT).update_layout(
        xaxis={'title': {'text': f'{cost}, times the baseline'}},
        yaxis={'title': {'text': EFFECT_TITLE}, 'zeroline': False, 'range': [low, high]},
    )


def _spread(heights: Mapping[str, float], height: float) -> dict[str, float]:
    """Move labels up or down, from 0 to ``height``, so that they do not meet; the order stays."""
    room = min(LABEL_HEIGHT, height / max(len(heights), 1))
    names, places = sorted(heights, key=lambda name: heights[name]), {}
    lowest = 0.0
    for name in names:
        places[name] = lowest = max(heights[name], lowest)
        lowest += room
    highest = height
    for name in reversed(names):
        places[name] = min(places[name], highest)
        highest = places[name] - room
    return places


def distribution(name: str, values: np.ndarray) -> 'go.Figure':
    """Draw the histogram of one measure; NaN is left out."""
    figure = _figure()
    figure.add_bar(**_histogram(name, values))
    return _styled(figure, height=240, titled=True).update_layout(
        title={'text': html.escape(name), 'font': {'size': 15}}
    )


def distributions(
    columns: Mapping[str, np.ndarray], descriptions: Mapping[str, str]
) -> 'go.Figure':
    """Draw the histograms of several measures, three in a row.

    Args:
        columns: The values of each measure; one without any number is left out.
        descriptions: What each measure means, shown below its name.
    """
    columns = {name: values for name, values in columns.items() if not np.isnan(values).all()}
    n_rows = max(-(-len(columns) // 3), 1)
    titles = [f'{html.escape(n)}<br><sup>{html.escape(descriptions[n])}</sup>' for n in columns]
    figure = _plotly('subplots').make_subplots(rows=n_rows, cols=3, subplot_titles=titles)
    for i, (name, values) in enumerate(columns.items()):
        figure.add_bar(**_histogram(name, values), row=i // 3 + 1, col=i % 3 + 1)
    return _styled(figure, height=280 * n_rows, titled=True)


def strata_by_size(counts: Mapping[str, Mapping[str, int]]) -> 'go.Figure':
    """Draw stacked bars: the share of each object size in every stratum, in percent.

    Args:
        counts: By stratum, the number of objects of each size, from small to large.
    """
    sizes = list(next(iter(counts.values()), {}))
    figure = _figure()
    for size, color in zip(sizes, SIZE_COLORS):
        shares = [100 * row[size] / max(sum(row.values()), 1) for row in counts.values()]
        figure.add_bar(
            y=[html.escape(stratum) for stratum in counts],
            x=shares,
            orientation='h',
            name=size,
            marker={'color': color},
            text=[f'{share:.0f} %' if share >= 8 else '' for share in shares],
            hovertemplate='%{y}: %{x:.1f} % ' + size + '<extra></extra>',
        )
    return _styled(figure, height=220, titled=True).update_layout(
        barmode='stack',
        bargap=0.25,
        showlegend=True,
        legend={'orientation': 'h', 'y': 1.2, 'traceorder': 'normal'},
        xaxis={'ticksuffix': ' %', 'range': [0, 100]},
        yaxis={'autorange': 'reversed', 'automargin': True},
    )


def _plotly(module: str) -> Any:
    return require(f'plotly.{module}', 'report')


def _figure() -> 'go.Figure':
    return _plotly('graph_objects').Figure()


def _styled(
    figure: 'go.Figure', *, height: Optional[int] = None, titled: bool = False
) -> 'go.Figure':
    """Give a figure the common style."""
    return (
        figure.update_layout(
            template='none',
            paper_bgcolor=PAPER,
            plot_bgcolor='rgba(0, 0, 0, 0)',
            font={'family': 'system-ui, sans-serif', 'size': 13, 'color': INK},
            margin={'l': 56, 'r': 12, 't': 36 if titled else 8, 'b': 44},
            height=height,
            bargap=0.05,
            showlegend=False,
            dragmode=False,  # on a touch screen, dragging over a plot scrolls the page
            hoverlabel={'bgcolor': PAPER, 'font': {'color': INK}},
        )
        .update_xaxes(**AXIS)
        .update_yaxes(**AXIS)
    )


def _histogram(name: str, values: np.ndarray) -> dict[str, Any]:
    """Return the bars of a histogram: one per number where the numbers are whole and few."""
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0, 1)
    if (known == known.round()).all() and high - low <= WHOLE_NUMBER_BARS:
        edges = np.arange(low, high + 2) - 0.5
    else:
        edges = np.linspace(low, high if high > low else low + 1, 31)
    counts, _ = np.histogram(known, edges)
    return {
        'x': (edges[:-1] + edges[1:]) / 2,
        'y': counts,
        'width': np.diff(edges),
        'marker': {'color': BAR_COLOR, 'line': {'width': 0}},
        'hovertemplate': '%{x:.3g}: %{y}<extra></extra>',
        'name': html.escape(name),
    }


def _error_bars(intervals: Iterable[WithInterval]) -> dict[str, Any]:
    """Return the error bars that reach from each marker to the ends of its interval, in points."""
    reaches = [(p.high - p.estimate, p.estimate - p.low) for p in intervals]
    return {
        'array': [100 * above for above, _ in reaches],
        'arrayminus': [100 * below for _, below in reaches],
    }


def _interval_text(point: WithInterval) -> str:
    ends = (point.low, point.high)
    estimate = estimate_points(point.estimate, *ends, signed=True)
    return f'{estimate} {interval_points(*ends, signed=True)}'


def _lay_out_rows(figure: 'go.Figure', names: Sequence[str], row_height: int) -> None:
    """Lay out an axis of names from the top, every second row shaded."""
    texts = [_wrapped(name) for name in names]
    n_lines = max((text.count('<br>') + 1 for text in texts), default=1)
    _styled(figure, height=90 + max(row_height, 18 * n_lines) * max(len(names), 1))
    for y in range(1, len(names), 2):
        band = {'fillcolor': SHADE, 'line': {'width': 0}, 'layer': 'below'}
        figure.add_shape(xref='paper', x0=0, x1=1, y0=y - 0.5, y1=y + 0.5, **band)
    figure.update_yaxes(
        range=[len(names) - 0.5, -0.5],
        tickvals=list(range(len(names))),
        ticktext=texts,
        automargin=True,
        showgrid=False,
        zeroline=False,
    )


def _wrapped(name: str) -> str:
    """Return an escaped name in lines that are short enough for a phone."""
    return '<br>'.join(html.escape(line) for line in textwrap.wrap(name, 16) or [''])
