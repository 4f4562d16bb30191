"""Effects paired by seed: by hand, by loops, against SciPy, and on data with a known truth."""

import numpy as np
import pytest
import scipy.stats

from mmdet_spatialattn.comparison.inference import difference
from mmdet_spatialattn.comparison.paired import pair_runs, paired_effect, student_p
from mmdet_spatialattn.comparison.variance import (
    added,
    diagonal,
    effective_df,
    own_error,
    upper_factor,
    variance_parts,
)

from .simulated import differences


def certain(values, n_boot=50):
    """Differences whose replicates all equal the observed value: no noise of images."""
    return np.repeat(np.asarray(values, float)[..., None], 1 + n_boot, axis=-1)


def test_without_noise_of_images_it_is_students_paired_test():
    values = np.array([0.011, 0.004, 0.016, 0.009])
    effect = paired_effect(certain(values), 200)
    expected = scipy.stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert effect.p == pytest.approx(expected.pvalue)
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))
    assert effect.df == pytest.approx(3)
    assert effect.estimate == pytest.approx(0.010)
    assert (effect.n_seeds, effect.n_bases) == (4, 1)
    assert not effect.one_training_each


def test_the_parts_of_the_variance_by_loops():
    rng = np.random.default_rng(0)
    runs = differences(rng, seeds=3, images=0.5, luck=0.8, n_images=20, n_boot=40)[0, 0]
    effect = paired_effect(runs, 20)
    factor, n_boot, k = 20 / 19, 40, 3
    means = [sum(run[b] for run in runs) / k for b in range(1, 1 + n_boot)]
    centre = sum(means) / n_boot
    images = factor * sum((mean - centre) ** 2 for mean in means) / (n_boot - 1)
    observed = sum((run[0] - runs[:, 0].mean()) ** 2 for run in runs) / (k - 1)
    luck = 0.0
    for b in range(1, 1 + n_boot):
        own = [(run[b] - run[1:].mean()) - (means[b - 1] - centre) for run in runs]
        luck += factor * sum(x**2 for x in own) / (k - 1) / (n_boot - 1)
    assert effect.variance.images == pytest.approx(images)
    assert effect.variance.seeds == pytest.approx(max(observed - luck, 0) / k)
    assert effect.variance.luck == pytest.approx(luck / k)
    assert effect.variance.bases == 0
    assert effect.se**2 == pytest.approx(images + max(observed - luck, 0) / k)
    df = effective_df(images, [(observed / k, luck / k, 2)], 1 / (1 / 19 + 1 / 39), level=0.95)
    assert effect.df == pytest.approx(float(df))


def test_the_effective_degrees_of_freedom_by_hand():
    """Images 4, between seeds 1 (of which 0.5 luck) on 2 degrees of freedom."""
    factor = 2 / scipy.stats.chi2.ppf(0.22, 2)
    assert float(upper_factor(2, level=0.95)) == pytest.approx(factor)
    upper = factor * 1 - 0.5
    expected = (4 + upper) ** 2 / (4**2 / 99 + upper**2 / 2)
    assert float(effective_df(4.0, [(1.0, 0.5, 2)], 99, level=0.95)) == pytest.approx(expected)
    assert upper_factor(2, level=0.999) > factor
    assert upper_factor(30, level=0.95) < 1.4


def test_seeds_that_agree_never_shrink_the_variance_below_that_of_the_images():
    rng = np.random.default_rng(1)
    runs = differences(rng, seeds=4, between_seeds=1e-4, images=1.0)[0, 0]
    effect = paired_effect(runs, 50)
    assert effect.variance.seeds < 1e-7
    assert effect.se**2 >= effect.variance.images > 0.5


def test_one_seed_holds_the_noise_of_images_only_and_says_so():
    rng = np.random.default_rng(2)
    arm, baseline = differences(rng, arms=2, seeds=1, images=1.0)[:, 0]
    effect = paired_effect(arm - baseline, 50)
    assert effect.one_training_each
    assert effect.se == pytest.approx(difference(arm, baseline, 50).se)
    assert effect.df == pytest.approx(1 / (1 / 49 + 1 / 99))
    assert effect.variance.seeds == effect.variance.bases == 0


def test_bases_and_seeds_are_crossed_by_hand():
    """Base means 1 and 3, seed means 1, 2, 3, and no rest: V = 2 / 2 + 1 / 3."""
    table = np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]])
    effect = paired_effect(certain(table), 100)
    assert effect.estimate == pytest.approx(2)
    assert effect.variance.bases == pytest.approx(1)
    assert effect.variance.seeds == pytest.approx(1 / 3)
    assert (effect.n_seeds, effect.n_bases) == (3, 2)
    # One with a rest, by the analysis of variance: (MS_bases + MS_seeds - MS_rest) / (L K).
    table[0, 0] += 3
    n_bases, n_seeds = table.shape
    bases, seeds = table.mean(axis=1), table.mean(axis=0)
    rest = table - bases[:, None] - seeds + table.mean()
    mean_squares = (
        n_seeds * bases.var(ddof=1),
        n_bases * seeds.var(ddof=1),
        (rest**2).sum() / ((n_bases - 1) * (n_seeds - 1)),
    )
    effect = paired_effect(certain(table), 100)
    assert effect.variance.bases == pytest.approx(mean_squares[0] / 6)
    expected = max(mean_squares[1] - mean_squares[2], 0) / 6
    assert effect.variance.seeds == pytest.approx(expected)


def test_several_bases_with_one_seed_each_are_a_sample_of_bases():
    values = np.array([0.011, 0.004, 0.016])
    effect = paired_effect(certain(values[:, None]), 100)
    assert effect.p == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue)
    assert effect.variance.bases > 0 == effect.variance.seeds
    assert not effect.one_training_each


def test_a_missing_run_leaves_out_its_seed():
    rng = np.random.default_rng(3)
    runs = differences(rng, seeds=4, images=0.3)[0, 0]
    runs[2] = np.nan
    assert paired_effect(runs, 50) == paired_effect(runs[[0, 1, 3]], 50)
    crossed = differences(rng, bases=2, seeds=3, between_bases=1.0)[0]
    crossed[1, 0] = np.nan
    assert paired_effect(crossed, 50) == paired_effect(crossed[:, 1:], 50)


def test_what_is_undefined_has_no_estimate():
    rng = np.random.default_rng(4)
    runs = differences(rng, seeds=3, images=0.3)[0, 0]
    few, many, observed = runs.copy(), runs.copy(), runs.copy()
    few[0, 1:11], many[0, 1:12], observed[0, 0] = np.nan, np.nan, np.nan
    assert paired_effect(few, 50).estimate == paired_effect(runs, 50).estimate
    assert np.isfinite(paired_effect(few, 50).se)
    assert paired_effect(many, 50) is None
    assert paired_effect(observed, 50) is None
    assert paired_effect(np.full((3, 11), np.nan), 50) is None
    assert paired_effect(np.empty((0, 11)), 50) is None


def test_equal_runs_have_no_effect_and_no_error():
    effect = paired_effect(np.zeros((3, 11)), 50)
    assert (effect.estimate, effect.low, effect.high, effect.p) == (0, 0, 0, 1)
    assert student_p(0.1, 0.0, 5) == 0


def test_runs_are_paired_by_base_and_seed():
    runs = {(base, seed): np.full(3, 10.0 * base + seed) for base in (0, 1) for seed in (5, 6)}
    arm = {key: value + 1 for key, value in runs.items() if key != (1, 6)}
    paired = pair_runs({**arm, (0, 7): np.zeros(3)}, runs)
    assert paired.shape == (2, 2, 3)
    assert (paired[0] == 1).all()
    assert (paired[1, 0] == 1).all()
    assert np.isnan(paired[1, 1]).all()
    nothing = pair_runs({(0, 8): np.zeros(3)}, runs)
    assert nothing.shape == (2, 2, 3)
    assert paired_effect(nothing, 50) is None
    assert paired_effect(pair_runs(runs, {}), 50) is None


@pytest.mark.parametrize(
    'seeds, images, low, high',
    [
        (2, 0.0, 0.94, 0.96),
        (2, 0.7, 0.94, 0.985),
        (3, 0.0, 0.94, 0.96),
        (3, 0.6, 0.94, 0.97),
        (5, 0.4, 0.94, 0.965),
        (10, 0.3, 0.94, 0.96),
    ],
)
def test_intervals_hold_the_truth_whatever_dominates(seeds, images, low, high):
    """4,000 trials; the standard error of a coverage is 0.0034."""
    rng = np.random.default_rng(5)
    held = []
    for _ in range(40):
        runs = differences(rng, seeds=seeds, images=images, luck=images / 2, trials=100)
        parts = variance_parts(runs, 50)
        held.append(student_p(parts.estimate, *own_error(parts, level=0.95)) > 0.05)
    assert low < np.mean(held) < high


def test_neither_few_degrees_of_freedom_nor_satterthwaites_do():
    """Three seeds that weigh four times the images: one is far too wide, one too narrow."""
    rng = np.random.default_rng(6)
    few, plain = [], []
    for _ in range(40):
        parts = variance_parts(differences(rng, seeds=3, images=0.3, trials=100), 50)
        images, seeds = diagonal(parts.images), added(parts.seeds)
        se = np.sqrt(images + seeds)
        df = (images + seeds) ** 2 / (images**2 / parts.images_df + seeds**2 / 2)
        few.append(student_p(parts.estimate, se, 2) > 0.05)
        plain.append(student_p(parts.estimate, se, df) > 0.05)
    assert np.mean(few) > 0.98
    assert np.mean(plain) < 0.94


def test_intervals_hold_the_truth_with_several_bases():
    rng = np.random.default_rng(7)
    for between_bases, high in ((0.0, 0.985), (1.0, 0.97)):
        held = []
        for _ in range(40):
            runs = differences(
                rng, bases=3, seeds=4, between_bases=between_bases, images=0.2, trials=50
            )
            parts = variance_parts(runs, 50)
            held.append(student_p(parts.estimate, *own_error(parts, level=0.95)) > 0.05)
        assert 0.935 < np.mean(held) < high
