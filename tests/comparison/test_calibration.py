"""The simulation behind the calibration table, on few trials: gross errors of an interval show."""

import runpy

import numpy as np
import pytest


@pytest.fixture(scope='module')
def calibration(repository):
    return runpy.run_path(str(repository / 'tools/dev/calibration.py'))


@pytest.mark.slow
def test_intervals_hold_the_truth_and_equal_arms_are_not_called_different(calibration):
    """Of the 144 intervals of 24 trials 95 % hold the truth, 0; five in six is the limit."""
    held = []
    for runs, seeds in ((1, 0.0), (2, 0.15)):
        setting = calibration['Setting'](images=100, runs=runs, seeds=seeds, better=0.0)
        for seed in range(12):
            for rows in calibration['trial'](setting, seed).values():
                held += [low <= 0 <= high for _, low, high, _ in rows.values()]
                assert all((low <= 0 <= high) == (p >= 0.05) for _, low, high, p in rows.values())
    assert len(held) == 144
    assert np.mean(held) > 5 / 6


@pytest.mark.slow
def test_a_large_effect_is_seen(calibration):
    setting = calibration['Setting'](images=150, runs=1, seeds=0.0, better=1.0)
    actual = [calibration['trial'](setting, seed)['better']['effect'] for seed in range(5)]
    assert all(low > 0 for _, low, _, _ in actual)
