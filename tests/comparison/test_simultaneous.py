"""Many arms against one baseline: Dunnett's tables, SciPy, hand-computed numbers, simulations."""

import numpy as np
import pytest
import scipy.stats

from mmdet_spatialattn.comparison import simultaneous
from mmdet_spatialattn.comparison.max_t import max_t_p, max_t_quantile
from mmdet_spatialattn.comparison.paired import paired_effect
from mmdet_spatialattn.comparison.simultaneous import (
    bartlett_p,
    family_of,
    gatekeep,
    holm,
    many_to_one,
)
from mmdet_spatialattn.comparison.variance import (
    Spread,
    pooled_df,
    unit_covariances,
    variance_parts,
)

from .simulated import differences
from .test_paired import certain


@pytest.mark.parametrize(
    'df, values',
    [
        (5, [2.57, 3.03, 3.29, 3.48, 3.62, 3.73, 3.82, 3.90, 3.97]),
        (10, [2.23, 2.57, 2.76, 2.89, 2.99, 3.07, 3.14, 3.19, 3.24]),
        (20, [2.09, 2.38, 2.54, 2.65, 2.73, 2.80, 2.86, 2.90, 2.95]),
        (60, [2.00, 2.27, 2.41, 2.51, 2.58, 2.64, 2.69, 2.73, 2.77]),
        (np.inf, [1.96, 2.21, 2.35, 2.44, 2.51, 2.57, 2.61, 2.65, 2.69]),
    ],
)
def test_critical_values_are_those_of_dunnetts_tables(df, values):
    """Dunnett 1964, New Tables for Multiple Comparisons with a Control: two-sided 5 %."""
    actual = [float(max_t_quantile(0.95, n, df=df)) for n in range(1, 10)]
    assert actual == pytest.approx(values, abs=0.0051)


def test_critical_values_at_one_percent():
    actual = [float(max_t_quantile(0.99, n, df=10)) for n in range(1, 6)]
    assert actual == pytest.approx([3.17, 3.53, 3.74, 3.88, 3.99], abs=0.0051)


def test_p_values_are_those_of_scipys_dunnett():
    """Equal groups: the correlation is a half, the degrees of freedom those of the pooled error."""
    rng = np.random.default_rng(0)
    control, *arms = rng.normal([[0], [0.3], [0.8], [1.6], [-1.0]], 1, (5, 8))
    expected = scipy.stats.dunnett(*arms, control=control, random_state=0)
    actual = max_t_p(expected.statistic, 4, df=5 * 7)
    assert actual == pytest.approx(expected.pvalue, abs=1e-3)


@pytest.mark.parametrize('df', [1, 2.5, 7, 1e9])
def test_the_largest_of_one_is_students_t(df):
    t = np.array([0.0, 0.5, 2.0, 5.0, 30.0])
    assert max_t_p(t, 1, df=df) == pytest.approx(2 * scipy.stats.t.sf(t, df), rel=1e-4)
    expected = scipy.stats.t.ppf(0.975, df)
    assert float(max_t_quantile(0.95, 1, df=df)) == pytest.approx(expected)


@pytest.mark.parametrize('correlation', [0.0, 0.5, 0.9])
def test_the_largest_of_several_against_the_multivariate_t(correlation):
    covariance = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    drawn = scipy.stats.multivariate_t(shape=covariance, df=4).rvs(400_000, random_state=1)
    largest = np.abs(drawn).max(axis=1)
    for t in (1.0, 2.5, 5.0):
        actual = float(max_t_p(t, 3, correlation=correlation, df=4))
        assert actual == pytest.approx((largest > t).mean(), abs=0.0025)
    quantile = float(max_t_quantile(0.9, 3, correlation=correlation, df=4))
    assert float(max_t_p(quantile, 3, correlation=correlation, df=4)) == pytest.approx(
        0.1, rel=1e-4
    )


def test_independent_statistics_multiply():
    single = 1 - 2 * scipy.stats.norm.sf(2.1)
    assert float(max_t_p(2.1, 7, correlation=0)) == pytest.approx(1 - single**7, rel=1e-5)


def test_the_interval_is_the_wider_of_dunnetts_and_the_arms_own():
    """Two arms, three seeds, no noise of images: all by hand."""
    values = np.array([[1.0, 2.0, 3.0], [0.0, 4.0, 5.0]])
    result = many_to_one(certain(values), 1000)
    assert result.rule == 'pooled'
    variances = values.var(axis=1, ddof=1)
    pooled = variances.mean()
    for arm, (effect, variance) in enumerate(zip(result.arms, variances)):
        assert effect.raw == paired_effect(certain(values[arm]), 1000)
        assert effect.se == pytest.approx((pooled / 3) ** 0.5)
        t = {'correlation': result.correlation, 'df': effect.df}
        dunnett = float(max_t_quantile(0.95, 2, **t)) * effect.se
        own = scipy.stats.t.ppf(0.985, 2) * (variance / 3) ** 0.5
        middle = values[arm].mean()
        assert effect.high - middle == pytest.approx(max(dunnett, own))
        assert middle - effect.low == pytest.approx(max(dunnett, own))
        p = max(
            float(max_t_p(middle / effect.se, 2, **t)),
            scipy.stats.ttest_1samp(values[arm], 0).pvalue / 0.6,
        )
        assert effect.p_adjusted == pytest.approx(p)
    covariance = np.cov(values)[0, 1]
    assert result.correlation == pytest.approx(covariance / pooled)


def test_one_arm_has_its_pointwise_interval():
    rng = np.random.default_rng(1)
    runs = differences(rng, seeds=5, images=0.5, luck=0.3)[0]
    raw, (effect,) = paired_effect(runs, 50), many_to_one(runs, 50).arms
    assert (effect.low, effect.high) == pytest.approx((raw.low, raw.high))
    assert effect.p_adjusted == pytest.approx(raw.p)


def test_intervals_and_adjusted_p_values_agree():
    rng = np.random.default_rng(2)
    rules, significant = set(), 0
    for trial in range(60):
        scale = np.array([0.2, 1.0, 3.0, 1.0]) if trial % 2 else 1.0
        runs = differences(rng, arms=4, seeds=8, between_seeds=scale, images=0.3)
        runs = runs + rng.normal(0, 1.2, (4, 1, 1, 1))
        result = many_to_one(runs, 50)
        rules.add(result.rule)
        for effect in result.arms:
            excludes = effect.low >= 0 or effect.high <= 0
            assert (effect.p_adjusted < 0.05) == excludes
            assert effect.p_adjusted >= 0.999 * effect.raw.p or result.rule == 'own'
            assert effect.high - effect.low >= 0.999 * (effect.raw.high - effect.raw.low) or (
                effect.low == 0 or effect.high == 0
            )
            significant += excludes
    assert rules == {'pooled', 'own'}
    assert 20 < significant < 220


def test_where_variances_differ_every_arm_keeps_its_own():
    rng = np.random.default_rng(3)
    scale = np.array([0.01, 0.06, 0.15])
    values = scale[:, None] * rng.normal(size=(3, 10)) + [[0.02], [0.0], [-0.4]]
    result = many_to_one(certain(values), 1000)
    assert result.rule == 'own'
    assert result.homogeneity < 0.01
    expected = scipy.stats.ttest_1samp(values, 0, axis=1).pvalue
    order = np.argsort(expected)
    by_hand = np.maximum.accumulate(expected[order] * [3, 2, 1])
    assert [result.arms[i].p_adjusted for i in order] == pytest.approx(np.minimum(by_hand, 1))
    for effect, own in zip(result.arms, values):
        assert effect.se == pytest.approx(scipy.stats.sem(own))
        reach = scipy.stats.t.ppf(1 - 0.025 / 3, 9) * effect.se
        assert effect.high - own.mean() == pytest.approx(min(reach, effect.high - own.mean()))
        assert effect.low == pytest.approx(own.mean() - reach) or effect.p_adjusted < 0.05


def test_an_interval_ends_at_zero_where_holm_rejects_and_bonferroni_does_not():
    """Three arms, the second p value between 0.05 / 3 and 0.05 / 2."""
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(3, 12))
    noise = (noise - noise.mean(1, keepdims=True)) / noise.std(1, ddof=1, keepdims=True)
    t = [9.0, -scipy.stats.t.isf(0.01, 11), 0.2]
    values = (noise + np.array(t)[:, None] / 12**0.5) * [[1.0], [20.0], [400.0]]
    result = many_to_one(certain(values), 1000)
    assert result.rule == 'own'
    first, second, third = result.arms
    assert first.low > 0
    assert second.p_adjusted == pytest.approx(0.04)
    assert second.high == 0 > second.low
    assert third.low < 0 < third.high


def test_bartletts_test_is_scipys():
    values = np.random.default_rng(5).normal(size=(4, 6)) * [[1.0], [1.5], [0.7], [2.0]]
    present = np.ones((4, 1, 6), bool)
    observed, _ = unit_covariances(values[:, None, :, None], present)
    spread = Spread(observed, np.zeros_like(observed), np.full(4, 6))
    expected = scipy.stats.bartlett(*values).pvalue
    assert float(bartlett_p(spread)) == pytest.approx(expected)
    assert np.isnan(bartlett_p(spread.arm(0)))


def test_the_degrees_of_freedom_of_a_pooled_variance_are_those_of_its_scatter():
    """Six correlated arms, five seeds: 2 E^2 / Var of the mean variance, 40,000 times."""
    rng = np.random.default_rng(6)
    for correlation in (0.5, 0.8):
        shared, own = rng.normal(size=(40_000, 1, 5)), rng.normal(size=(40_000, 6, 5))
        values = correlation**0.5 * shared + (1 - correlation) ** 0.5 * own
        pooled = values.var(axis=-1, ddof=1).mean(axis=-1)
        by_formula = 4 / (1 / 6 + 5 / 6 * correlation**2)
        assert 2 * pooled.mean() ** 2 / pooled.var() == pytest.approx(by_formula, rel=0.05)
        counted = pooled_df(np.full(6, 4), np.float64(correlation), level=0.95)
        assert 4 < counted < by_formula  # at the upper confidence limit of the correlation
    assert pooled_df(np.full(6, 4), np.float64(0), level=0.95) == pytest.approx(4 / 0.375)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.04], n_tests=4) == pytest.approx([0.04, 0.12])
    assert holm([[0.5, 0.9], [0.02, 0.01]]) == pytest.approx(np.array([[1, 1], [0.02, 0.02]]))


def test_a_question_waits_for_the_one_before_it():
    adjusted = gatekeep([[0.01, 0.2, 0.04], [0.03, 0.001, 0.6], [0.02, 0.02, 0.001]])
    expected = [[0.01, 0.2, 0.04], [0.03, 0.2, 0.6], [0.03, 0.2, 0.6]]
    assert adjusted == pytest.approx(np.array(expected))


def test_gatekeeping_costs_nothing_and_keeps_the_error_rate():
    """Two questions for three arms without effects: at most one family in twenty is wrong."""
    rng = np.random.default_rng(7)
    z = rng.normal(size=(20_000, 2, 4))
    t = (z[..., 1:] - z[..., :1]) / 2**0.5
    p = np.stack([max_t_p(t[:, question], 3) for question in (0, 1)])
    wrong = (gatekeep(p) < 0.05).any(axis=(0, 2)).mean()
    assert wrong == pytest.approx(0.05, abs=0.006)
    assert (p < 0.05).any(axis=(0, 2)).mean() > 0.09


def test_arms_may_have_different_numbers_of_seeds():
    """Two arms were stopped after three seeds; pooling lends them what the others know."""
    rng = np.random.default_rng(18)
    runs = differences(rng, arms=4, seeds=12, images=0.1)
    runs[:2, :, 3:] = np.nan
    result = many_to_one(runs, 50)
    assert result.rule == 'pooled'
    assert [effect.raw.n_seeds for effect in result.arms] == [3, 3, 12, 12]
    assert result.arms[0].se > 1.5 * result.arms[2].se
    assert result.arms[0].df > 2 * result.arms[0].raw.df
    alone = many_to_one(runs[:2, :, :3], 50)
    raw, expected = result.arms[0].raw, paired_effect(runs[0, :, :3], 50)
    assert (raw.estimate, raw.se, raw.df) == pytest.approx(
        (expected.estimate, expected.se, expected.df)
    )
    assert result.arms[0].df > alone.arms[0].df


def test_an_arm_with_one_seed_borrows_the_spread_of_the_others_and_says_so():
    rng = np.random.default_rng(9)
    runs = differences(rng, arms=3, seeds=6, images=0.1)
    runs[0, :, 1:] = np.nan
    result = many_to_one(runs, 50)
    assert result.arms[0].raw.one_training_each
    assert result.arms[0].se > 2 * result.arms[1].se > 0
    assert result.arms[0].high - result.arms[0].low > 4 * result.arms[0].raw.se


def test_an_arm_without_an_estimate_is_none_and_still_counts():
    rng = np.random.default_rng(10)
    runs = differences(rng, arms=3, seeds=8, between_seeds=0.1, images=0.3)
    runs[1] = np.nan
    result = many_to_one(runs, 50)
    assert result.arms[1] is None
    assert result.n_arms == 3
    two = many_to_one(runs[[0, 2]], 50)
    assert result.arms[0].high > two.arms[0].high
    assert result.arms[0] == many_to_one(runs[[0, 2]], 50, n_arms=3).arms[0]
    assert many_to_one(np.full((2, 3, 11), np.nan), 50).arms == (None, None)


def test_equal_detections_are_no_effect_in_a_family_too():
    rng = np.random.default_rng(11)
    runs = differences(rng, arms=3, seeds=4, images=0.3)
    runs[1] = 0
    effect = many_to_one(runs, 50).arms[1]
    assert (effect.raw.estimate, effect.p_adjusted) == (0, 1)
    assert effect.low <= 0 <= effect.high


@pytest.mark.parametrize('scale', [1.0, np.array([1.0] * 5 + [2.0])], ids=['alike', 'one arm'])
@pytest.mark.parametrize('seeds', [2, 3, 8])
def test_arms_without_effects_are_rarely_called_different(scale, seeds):
    """2,000 families of six arms; the standard error of 5 % is half a point."""
    rng = np.random.default_rng(12)
    wrong = []
    for _ in range(20):
        runs = differences(
            rng, arms=6, seeds=seeds, between_seeds=scale, images=0.3, luck=0.2, trials=100
        )
        family = family_of(variance_parts(runs, 50), n_arms=6)
        wrong.append((family.adjusted_p() < 0.05).any(axis=-1))
    assert np.mean(wrong) < 0.062


def test_pooling_finds_effects_that_the_arms_own_variance_does_not(monkeypatch):
    """Three seeds, six arms, one with an effect of four standard deviations."""
    rng = np.random.default_rng(13)
    effects = np.array([4.0, 0, 0, 0, 0, 0])[:, None, None, None]
    actual: dict[float, list] = {0.0: [], 1.1: []}
    for _ in range(20):
        runs = differences(rng, arms=6, seeds=3, images=0.3, trials=100) + effects
        parts = variance_parts(runs, 50)
        for level, significant in actual.items():
            monkeypatch.setattr(simultaneous, 'HOMOGENEITY_LEVEL', level)
            family = family_of(parts, n_arms=6)
            assert (family.pooled == (level == 0)).all()
            significant.append(family.adjusted_p()[:, 0] < 0.05)
    pooled, alone = map(np.mean, actual.values())
    assert pooled > 0.6
    assert alone < 0.3
