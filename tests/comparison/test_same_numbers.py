"""Version 1: a stored result of it reads, and the same data gives the same numbers."""

import math

import pytest

from mmdet_spatialattn.comparison import compare, dose_response
from mmdet_spatialattn.io import read_json
from mmdet_spatialattn.results import Interval, Refused, SweepResult

from ..report.sweeps import SKILLS, detect, write_scenes

SEEDS = (0, 1)


@pytest.fixture(scope='module')
def stored(repository):
    return SweepResult.read(repository / 'tests/data/verdict-version-1.json')


@pytest.fixture(scope='module')
def test_set(tmp_path_factory):
    """The scenes and detections that the stored result was made from."""
    folder = tmp_path_factory.mktemp('scenes')
    write_scenes(folder, images=60, levels=(0, 2, 4))
    annotations = read_json(folder / 'annotations' / 'val.json')
    arms = {
        arm: [detect(annotations, skill, seed) for seed in SEEDS] for arm, skill in SKILLS.items()
    }
    return annotations, arms


def assert_same(now, then):
    """Compare two parts of results, numbers to the last bits, reasons and files aside."""
    if isinstance(then, Refused):
        assert isinstance(now, Refused)
    elif isinstance(then, Interval):
        for name in ('estimate', 'low', 'high', 'se', 'df', 'p'):
            if hasattr(then, name):
                assert_same(getattr(now, name), getattr(then, name))
    elif isinstance(then, dict):
        assert set(now) == set(then)
        for key in then:
            assert_same(now[key], then[key])
    elif isinstance(then, tuple):
        assert len(now) == len(then)
        for a, b in zip(now, then):
            assert_same(a, b)
    elif isinstance(then, float):
        assert math.isclose(now, then, rel_tol=1e-12, abs_tol=1e-15)
    else:
        assert now == then


def test_a_comparison_has_the_numbers_of_version_1(test_set, stored):
    now, then = compare(*test_set, n_boot=100, group_by='scene'), stored.comparison
    for name in ('effects', 'error_effects', 'clutter_gain'):
        assert_same(getattr(now, name), getattr(then, name))
    for arm, result in then.arms.items():
        assert_same(now.arms[arm].metrics, result.metrics)
        assert_same(now.arms[arm].errors, result.errors)
        for run_now, run_then in zip(now.arms[arm].runs, result.runs):
            assert_same(run_now.metrics, run_then.metrics)
            assert_same(run_now.errors, run_then.errors)
    assert now.strata == then.strata
    for name in ('baseline', 'max_detections', 'n_boot', 'seed', 'level', 'cuts', 'group_by'):
        assert getattr(now.settings, name) == getattr(then.settings, name)
    assert then.verdicts['control'].word == 'no effect detected'
    assert now.verdicts['control'].word == 'inconclusive'


def test_a_dose_response_has_the_numbers_of_version_1(test_set, stored):
    now, then = dose_response(*test_set, n_boot=100, group_by='scene'), stored.dose
    assert (now.doses, now.images, now.objects) == (then.doses, then.images, then.objects)
    for arm, result in then.arms.items():
        for name in ('AP', 'mPC', 'rPC'):
            assert_same(getattr(now.arms[arm].mean, name), getattr(result.mean, name))
            for run_now, run_then in zip(now.arms[arm].runs, result.runs):
                assert_same(getattr(run_now, name), getattr(run_then, name))
    for arm, effect in then.effects.items():
        for name in ('AP', 'mPC', 'rPC'):
            assert_same(getattr(now.effects[arm], name), getattr(effect, name))


def test_the_rest_of_a_stored_result_reads(stored):
    assert list(stored.comparison.arms) == ['narrow', 'control', 'cbam-backbone']
    assert [run.name for run in stored.runs][:3] == [
        'narrow/seed_0',
        'narrow/seed_1',
        'control/seed_0',
    ]
    assert {run.state for run in stored.runs} == {'finished'}
    assert stored.runs[0].environment.commit == 'abc1234'
    assert stored.costs['control'].parameters == 10**6 + 4321
    assert isinstance(stored.comparison.effect('control', 'touching'), Interval) is False
    assert SweepResult.from_dict(stored.to_dict()) == stored
