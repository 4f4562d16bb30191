"""Figures hold the numbers they are given, and show names as they are."""

import math
import subprocess
import sys

import numpy as np
import pytest

from mmdet_spatialattn.plots import (
    GAIN_STYLES,
    INK,
    SIZE_COLORS,
    STRATUM_COLORS,
    SYMBOLS,
    Point,
    Series,
    cost_against_effect,
    distribution,
    distributions,
    dose_curves,
    forest,
    run_dots,
    scope_series,
    strata_by_size,
    stratum_colors,
)
from mmdet_spatialattn.results import Bounds, Estimate

POINT = Point(0.02, 0.01, 0.05)


def test_a_wider_interval_is_a_thin_line_around_the_marker():
    wide = Point(0.02, 0.01, 0.05, (-0.01, 0.06))
    series = [Series('s', {'a': wide, 'b': POINT}, INK, 'x')]
    line, markers = forest(series, ['a', 'b']).data
    assert line.x == pytest.approx((-1, 6, None)) and line.y[:2] == (0, 0)
    assert line.line.width == 1 and not line.showlegend
    assert len(markers.x) == 2


def test_a_forest_plot_has_a_marker_and_an_interval_per_row_and_series():
    figure = forest(
        [
            Series('overall', {'a': POINT, 'b<r>': None}, '#000000', 'circle'),
            Series('<i>', {'a': None, 'b<r>': POINT}, '#000000', 'circle'),
        ],
        ['a', 'b<r>'],
        title='<effect>',
    )
    first, second = figure.data
    assert first.x == (2,) and first.y == (-0.2,)
    assert first.error_x.array == pytest.approx((3,))
    assert first.error_x.arrayminus == pytest.approx((1,))
    assert second.y == (1.2,) and second.name == '&lt;i&gt;'
    assert list(second.customdata) == ['b&lt;r&gt;, &lt;i&gt;: +2.0 [+1.0, +5.0]']
    assert figure.layout.yaxis.ticktext == ('a', 'b&lt;r&gt;')
    assert figure.layout.yaxis.range == (1.5, -0.5)
    assert figure.layout.xaxis.title.text == '&lt;effect&gt;'


def test_an_estimate_can_be_drawn_as_it_is():
    estimate = Estimate(0.02, 0.01, 0.05, 0.01, math.inf, 0.01, 0.01, 0.03, Bounds(0.01, 0.05))
    plain, drawn = (forest([Series('s', {'a': p}, INK, 'x')], ['a']) for p in (POINT, estimate))
    assert plain == drawn and drawn.data[0].x == (2,)


def test_scopes_have_their_own_colours_and_symbols():
    scopes = ('overall', 'clean', 'touching', 'crowded')
    rows = {'arm': dict.fromkeys(scopes, POINT), 'other': {**dict.fromkeys(scopes), 'clean': POINT}}
    series = scope_series(scopes, rows)
    assert [entry.name for entry in series] == list(scopes)
    assert series[0].points == {'arm': POINT, 'other': None}
    assert series[1].points == {'arm': POINT, 'other': POINT}
    assert [entry.color for entry in series] == [INK, *STRATUM_COLORS]
    assert [entry.symbol for entry in series] == ['diamond', *SYMBOLS[:3]]
    assert len({style for style in GAIN_STYLES.values()}) == 2
    many = scope_series([str(i) for i in range(12)], {})
    assert len(many) == 12 and len({(entry.color, entry.symbol) for entry in many}) == 12


def test_dots_are_the_runs_and_strokes_their_means():
    figure = run_dots({'base': [0.1, 0.3], 'none': [None], 'arm': [0.4]}, 'base')
    strokes, dots = figure.data
    assert dots.x == (10, 30, 40) and dots.y == (0, 0, 2)
    assert strokes.x == pytest.approx((20, 40)) and strokes.y == (0, 2)
    assert any(shape.x0 == pytest.approx(20) == shape.x1 for shape in figure.layout.shapes)


def test_a_curve_leaves_out_the_doses_without_a_number():
    curves = {'arm': [POINT, None, POINT]}
    band, line = dose_curves([0, 2, 4], curves, x_title='dose', y_title='AP').data
    assert line.x == (0, 4) and line.y == (2, 2)
    assert band.x == (0, 4, 4, 0) and band.y == (5, 5, 1, 1)
    assert band.meta == {'arm': 'arm', 'part': 'band'} and not band.visible
    assert line.meta == {'arm': 'arm', 'part': 'line'}


def test_costs_are_ratios_and_an_arm_without_an_effect_is_left_out():
    ratios = {'base': {'FLOPs': 1.0}, 'arm': {'FLOPs': 1.5, 'memory': 2.0}, 'other': {'FLOPs': 3.0}}
    effects = {'base': Point(0, 0, 0), 'arm': POINT, 'other': None}
    figure = cost_against_effect(ratios, effects, cost='memory')
    assert [(trace.x, trace.y) for trace in figure.data] == [((None,), (0,)), ((2,), (2,))]
    assert figure.data[1].meta['costs'] == ratios['arm']
    labels = {label.name: label for label in figure.layout.annotations}
    assert list(labels) == ['base', 'arm'] and labels['arm'].visible and not labels['base'].visible


def test_every_point_of_cost_has_a_label_and_no_two_meet():
    ratios = {f'<arm {i}>': {'FLOPs': 1.0} for i in range(16)}
    effects = {
        arm: Point(i / 1000, i / 1000 - 0.01, i / 1000 + 0.01) for i, arm in enumerate(ratios)
    }
    figure = cost_against_effect(ratios, effects, cost='FLOPs')
    low, high = figure.layout.yaxis.range
    scale = (figure.layout.height - figure.layout.margin.t - figure.layout.margin.b) / (high - low)
    heights = [scale * (label.y - low) - label.ay for label in figure.layout.annotations]
    assert len(heights) == 16 and heights[0] >= 0 and heights[-1] <= scale * (high - low) + 1e-9
    assert all(b - a >= 15.99 for a, b in zip(heights, heights[1:]))
    assert figure.layout.annotations[3].text == '&lt;arm 3&gt;'


def test_any_number_of_strata_has_colours():
    assert stratum_colors(3) == list(STRATUM_COLORS)
    assert len(set(stratum_colors(7))) == 7 and len(stratum_colors(1)) == 1


def test_whole_numbers_have_a_bar_each_and_fractions_thirty():
    (bars,) = distribution('n<o>', np.array([1.0, 1.0, 3.0, np.nan])).data
    assert bars.x.tolist() == [1, 2, 3] and bars.y.tolist() == [2, 0, 1]
    assert bars.name == 'n&lt;o&gt;'
    (bars,) = distribution('cover', np.array([0.0, 0.25, 1.0])).data
    assert len(bars.y) == 30 and bars.y.sum() == 3
    (bars,) = distribution('nothing', np.array([np.nan])).data
    assert bars.y.sum() == 0


def test_a_measure_without_numbers_has_no_histogram():
    columns = {
        'cover': np.array([0.1, 0.2]),
        'occlusion': np.array([np.nan, np.nan]),
        'n_objects': np.array([1.0, 2.0]),
    }
    figure = distributions(columns, {'cover': 'share <of>', 'n_objects': 'number'})
    assert [bars.name for bars in figure.data] == ['cover', 'n_objects']
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles == ['cover<br><sup>share &lt;of&gt;</sup>', 'n_objects<br><sup>number</sup>']


def test_bars_of_a_stratum_add_up_to_a_hundred_percent():
    counts = {
        'clean': {'small': 6, 'medium': 3, 'large': 1},
        'none': {'small': 0, 'medium': 0, 'large': 0},
    }
    bars = strata_by_size(counts).data
    assert [bar.name for bar in bars] == ['small', 'medium', 'large']
    assert [bar.x for bar in bars] == [(60, 0), (30, 0), (10, 0)]
    assert [bar.y for bar in bars] == [('clean', 'none')] * 3
    assert [bar.marker.color for bar in bars] == list(SIZE_COLORS)
    assert bars[0].text == ('60 %', '')


def output_of(code):
    return subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    ).stdout


def test_without_plotly_the_message_names_the_extra():
    code = """
import sys
sys.modules['plotly'] = None
from mmdet_spatialattn import errors, plots
try:
    plots.forest([], [])
except errors.UserError as error:
    print(error)
"""
    assert output_of(code) == "this needs plotly: pip install 'mmdet_spatialattn[report]'\n"


def test_importing_takes_no_layer_above():
    code = """
import sys
import mmdet_spatialattn
before = set(sys.modules)
from mmdet_spatialattn import plots
print(*(name for name in set(sys.modules) - before if name.startswith('mmdet_spatialattn.')))
"""
    names = {name.rpartition('.')[2] for name in output_of(code).split()}
    assert 'plots' in names and names <= {'plots', 'errors', 'tables'}
