"""Intervals and p values: against SciPy, by hand, and on numbers drawn with a known truth."""

import math

import numpy as np
import pytest
import scipy.stats

from mmdet_spatialattn.comparison.inference import average, detectable, difference, simultaneous
from mmdet_spatialattn.results import Bounds, Estimate, Refused


def means(values, counts):
    """A metric that is a mean over images: as measured and in replicates, ``(1 + B,)``."""
    return np.concatenate([[values.mean()], values @ counts / len(values)])


def counts_of(rng, n_images, n_boot):
    return rng.multinomial(n_images, np.full(n_images, 1 / n_images), n_boot).T


def test_one_run_gives_the_bootstrap_interval_of_a_mean():
    """For a mean the interval is known: that of Student's t, nearly."""
    rng = np.random.default_rng(0)
    values = rng.normal(0.1, 1, 400)
    counts = counts_of(rng, 400, 4000)
    actual = difference(means(values, counts)[None], np.zeros((1, 4001)), 400)
    low, high = scipy.stats.t.interval(0.95, 399, values.mean(), scipy.stats.sem(values))
    assert actual.estimate == values.mean()
    assert (actual.low, actual.high) == pytest.approx((low, high), abs=0.01)
    assert actual.p == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, rel=0.2)
    assert actual.df == pytest.approx(399)


def test_the_interval_and_the_p_value_agree():
    rng = np.random.default_rng(1)
    for k in (1, 3):
        for shift in np.linspace(-0.35, 0.35, 60):
            counts = counts_of(rng, 100, 500)
            arm = np.stack([means(rng.normal(shift, 1, 100), counts) for _ in range(k)])
            base = np.stack([means(rng.normal(0, 1, 100), counts) for _ in range(k)])
            actual = difference(arm, base, 100)
            if abs(actual.p - 0.05) > 0.01:
                assert (actual.p < 0.05) == (not actual.low <= 0 <= actual.high)


def test_with_few_images_students_interval_holds_what_it_says_and_percentiles_do_not():
    """1,500 means of 20 images; the percentiles are corrected for the bias of the median."""
    rng = np.random.default_rng(1)
    n, n_trials, z = 20, 1500, scipy.stats.norm.ppf([0.025, 0.975])
    held = np.zeros((n_trials, 2))
    for trial in range(n_trials):
        runs = means(rng.normal(0, 1, n), counts_of(rng, n, 400))[None]
        actual = difference(runs, np.zeros_like(runs), n)
        below = scipy.stats.norm.ppf((runs[0, 1:] < runs[0, 0]).mean())
        low, high = np.quantile(runs[0, 1:], scipy.stats.norm.cdf(2 * below + z))
        held[trial] = actual.low <= 0 <= actual.high, low <= 0 <= high
    students, percentiles = held.mean(axis=0)
    assert 0.935 < students < 0.965
    assert percentiles < 0.93


def test_several_runs_add_the_variance_between_them_once():
    """Student's test on the runs, plus the images' common part, less the runs' own part."""
    rng = np.random.default_rng(3)
    n, k, n_boot = 300, 4, 3000
    counts = counts_of(rng, n, n_boot)
    common = rng.normal(0, 1, n)  # what the arms differ by on an image, in every run
    arm = np.stack([means(common + rng.normal(0, 2, n) + rng.normal(), counts) for _ in range(k)])
    base = np.stack([means(rng.normal(0, 2, n), counts) for _ in range(k)])
    actual = difference(arm, base, n)
    between = arm[:, 0].var(ddof=1) / k + base[:, 0].var(ddof=1) / k
    assert actual.se**2 == pytest.approx(common.var() / n + between, rel=0.1)
    assert 3 <= actual.df <= 299
    reach = (actual.high - actual.low) / 2
    assert reach == pytest.approx(scipy.stats.t.ppf(0.975, actual.df) * actual.se)


def test_without_noise_of_images_it_is_students_test():
    a, b = np.array([0.30, 0.33, 0.31, 0.36]), np.array([0.29, 0.28, 0.27])
    runs = [np.repeat(values[:, None], 101, axis=1) for values in (a, b)]
    actual = difference(*runs, 1000)
    expected = scipy.stats.ttest_ind(a, b)
    assert actual.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert actual.df == pytest.approx(expected.df)
    interval = expected.confidence_interval(0.95)
    assert (actual.low, actual.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize('k, welch', [(2, 0.023), (3, 0.035), (5, 0.044)])
def test_pooled_equal_arms_are_called_different_as_often_as_meant_and_welch_is_timid(k, welch):
    a, b = np.random.default_rng(k).normal(0, 1, (2, 40_000, k))

    def called(a, equal_var):
        return (scipy.stats.ttest_ind(a, b, axis=1, equal_var=equal_var).pvalue < 0.05).mean()

    assert called(a, True) == pytest.approx(0.05, abs=0.004)
    assert called(a, False) == pytest.approx(welch, abs=0.004)
    assert 0.05 < called(2 * a, True) < 0.068


def test_the_mean_of_an_arm_has_its_own_noise_only():
    """Student's interval of the runs; with one run, the bootstrap's of the images."""
    runs = np.array([0.30, 0.33, 0.31, 0.36])
    actual = average(np.repeat(runs[:, None], 101, axis=1), 1000)
    low, high = scipy.stats.t.interval(0.95, 3, runs.mean(), scipy.stats.sem(runs))
    assert (actual.estimate, actual.low, actual.high) == pytest.approx((runs.mean(), low, high))
    assert actual.df == pytest.approx(3)
    rng = np.random.default_rng(5)
    values = rng.normal(0.5, 1, 50)
    actual = average(means(values, counts_of(rng, 50, 4000))[None], 50)
    assert actual.se == pytest.approx(scipy.stats.sem(values), rel=0.03)
    assert actual.df == pytest.approx(49)


def test_an_arm_with_one_run_borrows_the_noise_of_the_other():
    base = np.array([0.28, 0.30, 0.32])
    runs = np.repeat(base[:, None], 101, axis=1)
    actual = difference(np.full((1, 101), 0.4), runs, 1000)
    assert actual.se == pytest.approx(math.sqrt(base.var(ddof=1) * (1 + 1 / 3)))
    assert actual.df == pytest.approx(2)


def test_a_metric_that_is_mostly_undefined_is_refused():
    values = np.full((1, 101), np.nan)
    values[0, :50] = 0.5
    refusal = Refused('undefined in too many resamples of the images')
    assert difference(values, np.zeros((1, 101)), 10) == refusal


def test_simultaneous_intervals_by_hand():
    """Four questions: level 1 - 0.05 / 4, whose normal quantile is 2.498."""
    estimates = [
        Estimate(1, 0, 2, 1, math.inf, p, p, 0, Bounds(0, 2)) for p in (0.01, 0.04, 0.3, 0.005)
    ]
    adjusted = simultaneous(estimates, 4)
    assert [e.p_adjusted for e in adjusted] == pytest.approx([0.04, 0.16, 1, 0.02])
    assert adjusted[0].detectable == pytest.approx(detectable(1, math.inf, 4))
    bounds = adjusted[0].simultaneous
    assert (bounds.low, bounds.high) == pytest.approx((1 - 2.4977, 1 + 2.4977), abs=1e-4)


def test_the_simultaneous_intervals_of_independent_questions_hold_together():
    rng = np.random.default_rng(2)
    held = []
    for values in rng.normal(0, 1, (4000, 5)):
        estimates = [
            Estimate(v, v - 1.96, v + 1.96, 1, math.inf, 0, 0, 0, Bounds(v, v)) for v in values
        ]
        held.append(all(e.simultaneous.sign == 0 for e in simultaneous(estimates, 5)))
    assert np.mean(held) == pytest.approx(0.95, abs=0.011)


def test_the_smallest_detectable_effect_is_detected_four_times_in_five():
    rng = np.random.default_rng(4)
    effect = detectable(1.0, math.inf, 1)
    seen = np.abs(rng.normal(effect, 1, 100_000)) > 1.959964
    assert seen.mean() == pytest.approx(0.8, abs=0.005)
