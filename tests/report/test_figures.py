"""Figures hold the numbers they are given, and show names as they are."""

import pytest

from mmdet_spatialattn.report.figures import (
    STRATUM_COLORS,
    Series,
    cost_against_effect,
    dose_curves,
    forest,
    run_dots,
    stratum_colors,
)

ONE = {'estimate': 0.02, 'low': 0.01, 'high': 0.05}


def test_a_forest_plot_has_a_marker_and_an_interval_per_row_and_series():
    figure = forest(
        [
            Series('overall', '#000000', 'circle', {'a': ONE, 'b<r>': None}),
            Series('<i>', '#000000', 'circle', {'a': None, 'b<r>': ONE}),
        ],
        ['a', 'b<r>'],
        'effect',
    )
    first, second = figure.data
    assert first.x == (2,) and first.y == (-0.2,)
    assert first.error_x.array == pytest.approx((3,))
    assert first.error_x.arrayminus == pytest.approx((1,))
    assert second.y == (1.2,) and second.name == '&lt;i&gt;'
    assert list(second.customdata) == ['b&lt;r&gt;, &lt;i&gt;: +2.0 [+1.0, +5.0]']
    assert figure.layout.yaxis.ticktext == ('a', 'b&lt;r&gt;')
    assert figure.layout.yaxis.range == (1.5, -0.5)


def test_dots_are_the_runs_and_strokes_their_means():
    figure = run_dots({'base': [0.1, 0.3], 'none': [None], 'arm': [0.4]}, 'base')
    strokes, dots = figure.data
    assert dots.x == (10, 30, 40) and dots.y == (0, 0, 2)
    assert strokes.x == pytest.approx((20, 40)) and strokes.y == (0, 2)
    assert any(shape.x0 == pytest.approx(20) == shape.x1 for shape in figure.layout.shapes)


def test_a_curve_leaves_out_the_doses_without_a_number():
    band, line = dose_curves([0, 2, 4], {'arm': [ONE, None, ONE]}, ('dose', 'AP')).data
    assert line.x == (0, 4) and line.y == (2, 2)
    assert band.x == (0, 4, 4, 0) and band.y == (5, 5, 1, 1)


def test_costs_are_ratios_and_an_arm_without_an_effect_is_left_out():
    costs = {'base': {'FLOPs': 1.0}, 'arm': {'FLOPs': 1.5, 'memory': 2.0}, 'other': {'FLOPs': 3.0}}
    zero = {'estimate': 0, 'low': 0, 'high': 0}
    figure = cost_against_effect(costs, {'base': zero, 'arm': ONE, 'other': None}, 'memory')
    assert [(trace.x, trace.y) for trace in figure.data] == [((None,), (0,)), ((2,), (2,))]


def test_any_number_of_strata_has_colours():
    assert stratum_colors(3) == list(STRATUM_COLORS)
    assert len(set(stratum_colors(7))) == 7 and len(stratum_colors(1)) == 1
