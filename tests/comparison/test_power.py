"""What a comparison can see: against SciPy's noncentral t, limits by hand, and simulations."""

import numpy as np
import pytest
import scipy.stats

from mmdet_spatialattn.comparison.paired import paired_effect
from mmdet_spatialattn.comparison.power import (
    Design,
    detectable,
    half_width,
    more_seeds,
    power_curve,
    power_of,
    seeds_for_width,
    seeds_needed,
    units_needed,
    variance_components,
)
from mmdet_spatialattn.comparison.simultaneous import family_of, many_to_one
from mmdet_spatialattn.comparison.variance import Components, UnitComponents, variance_parts
from mmdet_spatialattn.errors import UserError

from .simulated import differences

NONE = UnitComponents(0.0, 0.0, 0.0)


def components(images=0.0, seeds=0.0, luck=0.0, n_units=1000):
    """Components half of which all arms share."""
    between = UnitComponents(seeds, luck, (seeds + luck) / 2)
    return Components(images, images / 2, n_units, between, NONE)


@pytest.mark.parametrize('seeds', [2, 3, 5, 12])
def test_without_noise_of_images_it_is_the_power_of_students_test(seeds):
    """One arm, s = 1: the noncentral t distribution."""
    parts = components(seeds=1.0)
    critical = scipy.stats.t.ppf(0.975, seeds - 1)
    for effect in (0.4, 1.0, 2.0):
        shift = effect * seeds**0.5
        expected = scipy.stats.nct.sf(critical, seeds - 1, shift)
        expected += scipy.stats.nct.sf(critical, seeds - 1, -shift)
        assert power_of(parts, Design(seeds), effect) == pytest.approx(expected, abs=0.015)


def test_with_noise_of_images_alone_it_is_the_normal_tests():
    parts = components(images=0.04, n_units=10**7)
    expected = 0.2 * (scipy.stats.norm.ppf(0.975) + scipy.stats.norm.ppf(0.8))
    assert detectable(parts, Design(50)) == pytest.approx(expected, rel=1e-3)
    lower = 0.2 * (scipy.stats.norm.ppf(0.975) + scipy.stats.norm.ppf(0.5))
    assert detectable(parts, Design(50), power=0.5) == pytest.approx(lower, rel=1e-3)
    dunnett = 0.2 * (2.567 + scipy.stats.norm.ppf(0.8))  # six arms, correlation 0.5
    assert detectable(parts, Design(50, 6)) == pytest.approx(dunnett, rel=2e-3)


def test_four_times_the_images_halve_what_the_images_hide():
    parts = components(images=0.04, luck=0.01, n_units=200)
    once, four = (detectable(parts, Design(50, 6, n_units=n)) for n in (200, 800))
    assert four == pytest.approx(once / 2, rel=0.03)
    seeds_only = components(seeds=1.0)
    once, four = (detectable(seeds_only, Design(5, 6, n_units=n)) for n in (1000, 4000))
    assert four == pytest.approx(once)


def test_more_of_anything_but_arms_helps():
    parts = components(images=0.01, seeds=0.04, luck=0.02, n_units=200)
    curve = list(power_curve(parts, Design(2, 6), [2, 3, 5, 8, 12]).values())
    assert curve == sorted(curve, reverse=True)
    by_arms = [detectable(parts, Design(5, n)) for n in (1, 2, 6, 16)]
    assert by_arms[1:] == sorted(by_arms[1:])
    assert detectable(parts, Design(5, 6, level=0.99)) > detectable(parts, Design(5, 6))
    assert power_of(parts, Design(5, 6), detectable(parts, Design(5, 6))) == pytest.approx(0.8)


def test_arms_that_move_together_need_the_smallest_effect():
    """Differences that all come from the baseline are one difference, seen six times."""
    alike = Components(0.0, 0.0, 1000, UnitComponents(1.0, 0.0, 1.0), NONE)
    single = detectable(components(seeds=1.0), Design(8))
    assert detectable(alike, Design(8, 6)) < detectable(components(seeds=1.0), Design(8, 6))
    assert detectable(alike, Design(8, 6)) == pytest.approx(single, rel=0.25)


def test_the_seeds_that_an_effect_needs_are_the_fewest():
    parts = components(images=0.01, seeds=0.1, n_units=200)
    needed = seeds_needed(parts, Design(2, 6), 0.6, max_seeds=40)
    assert 3 < needed < 20
    assert detectable(parts, Design(needed, 6)) <= 0.6
    assert detectable(parts, Design(needed - 1, 6)) > 0.6
    assert seeds_needed(parts, Design(2, 6), 0.2) is None  # the images alone hide it
    assert seeds_needed(parts, Design(2, 6), 100.0, max_seeds=3) == 2


def test_the_images_that_an_effect_needs_are_the_fewest():
    parts = components(images=0.01, seeds=0.01, n_units=200)
    needed = units_needed(parts, Design(8, 6), 0.25, max_units=5000)
    assert detectable(parts, Design(8, 6, n_units=needed)) <= 0.25
    assert detectable(parts, Design(8, 6, n_units=needed - 1)) > 0.25
    assert units_needed(parts, Design(8, 6), 0.01) is None  # the seeds alone hide it


def test_the_seeds_that_a_width_needs_are_the_fewest():
    parts = components(images=0.01, seeds=0.1, n_units=200)
    needed = seeds_for_width(parts, Design(2, 6), 0.5)
    assert half_width(parts, Design(needed, 6)) < 0.5 <= half_width(parts, Design(needed - 1, 6))
    assert seeds_for_width(parts, Design(2, 6), 0.2) is None


def test_the_components_of_a_large_pilot_are_those_it_was_drawn_with():
    rng = np.random.default_rng(0)
    pilots = [
        variance_components(
            differences(
                rng, arms=6, seeds=20, images=0.5, luck=0.6, between_seeds=0.8, n_images=150
            ),
            150,
        )
        for _ in range(20)
    ]

    def mean(get):
        return np.mean([get(pilot) for pilot in pilots])

    assert mean(lambda c: c.images) == pytest.approx(0.25, rel=0.1)
    assert mean(lambda c: c.images_shared) == pytest.approx(0.125, rel=0.2)
    assert mean(lambda c: c.seeds.variance) == pytest.approx(0.64, rel=0.1)
    assert mean(lambda c: c.seeds.luck) == pytest.approx(0.36, rel=0.1)
    assert mean(lambda c: c.seeds.shared) == pytest.approx(0.5, rel=0.2)
    assert pilots[0].bases == NONE
    assert pilots[0].n_units == 150


def test_the_components_of_a_pilot_with_bases_are_those_it_was_drawn_with():
    rng = np.random.default_rng(1)
    options = dict(
        arms=4, seeds=8, bases=6, between_seeds=0.5, between_bases=1.0, n_images=20, n_boot=20
    )
    pilots = [variance_components(differences(rng, **options), 20) for _ in range(40)]
    assert np.mean([p.bases.variance for p in pilots]) == pytest.approx(1 + 0.25 / 8, rel=0.15)
    few, many = (detectable(pilots[0], Design(8, 4, bases=n)) for n in (3, 12))
    assert few > 2 * many


def test_a_pilot_predicts_the_width_of_a_larger_comparison():
    """Four seeds and 50 images tell what eight seeds and 200 images show."""
    rng = np.random.default_rng(2)
    options = dict(arms=6, images=0.3, luck=0.2, between_seeds=0.5)
    predicted, shown = [], []
    for _ in range(15):
        pilot = variance_components(differences(rng, seeds=4, **options), 50)
        predicted.append(half_width(pilot, Design(8, 6, n_units=200)))
        smaller = {**options, 'images': 0.15, 'luck': 0.1}
        large = differences(rng, seeds=8, n_images=200, n_boot=200, **smaller)
        shown += [(e.high - e.low) / 2 for e in many_to_one(large, 200).arms]
    assert np.mean(predicted) == pytest.approx(np.mean(shown), rel=0.1)


@pytest.mark.parametrize(
    'arms, seeds, images', [(1, 3, 0.3), (2, 2, 0.5), (6, 3, 0.3), (6, 5, 0.0), (16, 8, 0.3)]
)
def test_an_effect_of_the_detectable_size_is_found_four_times_in_five(arms, seeds, images):
    """1,000 trials; the standard error of the power is 0.013."""
    rng = np.random.default_rng(3)
    luck = images / 2
    effect = detectable(components(images**2, 1.0, luck**2, n_units=50), Design(seeds, arms))
    parts = []
    for _ in range(10):
        runs = differences(rng, arms=arms, seeds=seeds, images=images, luck=luck, trials=100)
        family = family_of(variance_parts(runs, 50), n_arms=arms)
        parts.append(family.adjusted_p(null=-effect * (np.arange(arms) == 0))[:, 0] < 0.05)
    assert np.mean(parts) == pytest.approx(0.8, abs=0.04)


def test_more_seeds_settle_what_they_are_said_to():
    rng = np.random.default_rng(4)
    runs = differences(rng, arms=3, seeds=4, between_seeds=0.03, images=0.001) + 0.02
    effect = many_to_one(runs, 50).arms[0]
    more = more_seeds(effect, n_arms=3, delta=0.005)
    width = abs(effect.raw.estimate)
    assert half_width(effect.components, Design(4 + more, 3)) < width
    assert more == 1 or half_width(effect.components, Design(3 + more, 3)) >= width
    blurred = differences(rng, arms=3, seeds=4, between_seeds=0.001, images=0.1)
    assert (
        more_seeds(many_to_one(blurred - blurred.mean(), 50).arms[0], n_arms=3, delta=0.005) is None
    )


def test_one_seed_tells_nothing():
    rng = np.random.default_rng(5)
    runs = differences(rng, arms=2, seeds=1, images=0.3)
    assert paired_effect(runs[0], 50).one_training_each
    assert more_seeds(many_to_one(runs, 50).arms[0], n_arms=2, delta=0.005) is None
    with pytest.raises(UserError, match='one seed per arm'):
        variance_components(runs, 50)
    with pytest.raises(UserError, match='no paired run'):
        variance_components(np.full((2, 3, 11), np.nan), 50)
    with pytest.raises(UserError, match='at least two seeds'):
        detectable(components(seeds=1.0), Design(1))
