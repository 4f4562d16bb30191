"""Every result survives JSON, and what is broken is refused in one message."""

import dataclasses
import json
import math

import pytest

from mmdet_spatialattn import results
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.results import Bounds, Estimate, Refused, Result
from mmdet_spatialattn.results.base import VERSION

from .examples import EXAMPLES

CLASSES = [
    kind for kind in vars(results).values()
    if isinstance(kind, type) and issubclass(kind, Result) and kind is not Result
]  # fmt: skip


def test_every_kind_of_result_has_an_example():
    assert {type(example) for example in EXAMPLES} == set(CLASSES)


@pytest.mark.parametrize('example', EXAMPLES, ids=lambda example: type(example).__name__)
def test_json_gives_the_result_back(example, tmp_path):
    text = example.to_json(tmp_path / 'result.json')
    assert 'NaN' not in text and 'Infinity' not in text
    assert type(example).from_dict(json.loads(text)) == example
    assert type(example).read(tmp_path / 'result.json') == example


@pytest.mark.parametrize('example', EXAMPLES, ids=lambda example: type(example).__name__)
def test_results_are_frozen_and_shown(example):
    field = dataclasses.fields(example)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(example, field, None)
    assert str(example)
    assert example._repr_html_().startswith('<table>')
    assert example.to_dict()['version'] == VERSION
    pandas = pytest.importorskip('pandas')
    frame = example.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and len(frame)


@pytest.mark.parametrize('example', EXAMPLES, ids=lambda example: type(example).__name__)
def test_no_cell_of_a_table_is_missing(example):
    for table in example.tables():
        assert {len(row) for row in table.rows} <= {len(table.header)}
        assert all(isinstance(cell, str) for row in table.rows for cell in row)


def test_formats_are_distinct():
    assert len({kind.FORMAT for kind in CLASSES}) == len(CLASSES)


def test_infinite_degrees_of_freedom_are_null():
    estimate = Estimate(0.1, 0.1, 0.1, 0.0, math.inf, 0.0, 0.0, 0.0, Bounds(0.1, 0.1))
    assert estimate.to_dict()['df'] is None
    assert Estimate.from_dict(estimate.to_dict()).df == math.inf


def _without(data, *path):
    *parents, last = path
    part = data
    for key in parents:
        part = part[key]
    del part[last]


def _with(data, value, *path):
    *parents, last = path
    part = data
    for key in parents:
        part = part[key]
    part[last] = value


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda d: _with(d, 'another', 'format'), "has format 'another'; expected"),
        (lambda d: _without(d, 'format'), 'has format None'),
        (lambda d: _with(d, VERSION + 1, 'version'), 'update mmdet_spatialattn'),
        (lambda d: _with(d, 'two', 'version'), "has version 'two'"),
        (lambda d: _with(d, True, 'version'), 'has version True'),
        (lambda d: _without(d, 'comparison', 'effects'), 'damaged or was edited by hand'),
        (
            lambda d: _with(d, 'many', 'comparison', 'test_set', 'images'),
            "expected int, got 'many'",
        ),
        (lambda d: _with(d, None, 'comparison', 'arms'), 'damaged or was edited by hand'),
        (lambda d: _with(d, float('nan'), 'costs', 'cbam', 'latency'), 'expected a finite number'),
        (lambda d: _with(d, 3, 'plan'), 'damaged or was edited by hand'),
    ],
)
def test_a_broken_result_is_one_message(change, message):
    (sweep,) = (example for example in EXAMPLES if isinstance(example, results.SweepResult))
    data = json.loads(sweep.to_json())
    change(data)
    with pytest.raises(UserError, match=message) as caught:
        results.SweepResult.from_dict(data, source='verdict.json')
    assert str(caught.value).startswith('verdict.json')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('data', [None, [], 'text', 3])
def test_something_else_than_an_object_is_refused(data):
    with pytest.raises(UserError, match='expected'):
        Estimate.from_dict(data)


def test_a_truncated_file_is_refused(tmp_path):
    (tmp_path / 'half.json').write_text(EXAMPLES[0].to_json()[:20])
    with pytest.raises(UserError, match='not JSON'):
        type(EXAMPLES[0]).read(tmp_path / 'half.json')


def test_reading_a_number_of_a_refusal_raises_its_reason():
    refused = Refused("'crowded': 12 objects; a conclusion needs 30")
    for read in (lambda: refused.estimate, lambda: refused.low, lambda: float(refused)):
        with pytest.raises(UserError, match="'crowded': 12 objects; a conclusion needs 30"):
            read()
    assert not hasattr(refused, 'low')
    with pytest.raises(AttributeError, match='no attribute'):
        _ = refused.something


def test_results_with_numbers_are_drawn():
    pytest.importorskip('plotly')
    for example in EXAMPLES:
        undrawn = (results.Audit, results.Cost, Refused, results.Run, results.RunHealth)
        if isinstance(example, undrawn):
            with pytest.raises(UserError, match='there is no figure'):
                example.plot()
        else:
            assert any(len(trace.x or ()) for trace in example.plot().data)


def test_a_comparison_draws_its_effects_in_points_and_leaves_refusals_out():
    pytest.importorskip('plotly')
    (comparison,) = (example for example in EXAMPLES if isinstance(example, results.Comparison))
    by_name = {trace.name: trace for trace in comparison.plot().data}
    assert list(by_name) == ['overall', 'clean', 'crowded', 'clutter gain']
    assert by_name['overall'].x == pytest.approx([1.2])
    assert not by_name['crowded'].x


def test_looking_up_an_effect_names_what_is_known():
    (comparison,) = (example for example in EXAMPLES if isinstance(example, results.Comparison))
    assert comparison.effect('cbam', 'clean', 'AP50').estimate == 0.012
    assert str(comparison.gain('cbam')) == "'crowded': 12 objects; a conclusion needs 30"
    for arguments, message in (
        (('cbma',), "unknown arm 'cbma'; did you mean 'cbam'"),
        (('cbam', 'croded'), "unknown scope 'croded'; did you mean 'crowded'"),
        (('cbam', 'clean', 'AR'), r"unknown metric 'AR' \(known: AP, AP50\)"),
    ):
        with pytest.raises(UserError, match=message):
            comparison.effect(*arguments)
    with pytest.raises(UserError, match="unknown kind of clutter gain 'plane'"):
        comparison.gain('cbam', 'plane')
