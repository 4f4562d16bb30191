"""Effects of several arms: paired by seed where seeds are shared, alike in what they answer."""

import numpy as np
import pytest

from mmdet_spatialattn.comparison.effects import Runs, effects
from mmdet_spatialattn.results import Refused

SEEDS = [(None, seed) for seed in range(4)]


def runs(rng, shift, seed_noise, own_noise, images):
    """Return the runs of an arm: a shift, what its seeds share with other arms, its own noise."""
    counts = rng['counts']
    values = rng['images'] + images
    means = np.concatenate([[values.mean()], values @ counts / len(values)])
    noise = seed_noise + own_noise
    return Runs(means + shift + noise[:, None], SEEDS)


@pytest.fixture
def experiment():
    rng = np.random.default_rng(3)
    n = 200
    counts = rng.multinomial(n, np.full(n, 1 / n), 400).T
    shared = {'counts': counts, 'images': rng.normal(0.3, 0.1, n)}
    seeds = rng.normal(0, 0.02, 4)  # what a seed does to every arm

    def arm(shift):
        return runs(shared, shift, seeds, rng.normal(0, 0.001, 4), rng.normal(0, 0.002, n))

    return arm


def test_pairing_takes_the_noise_of_the_seeds_away(experiment):
    baseline, arms = experiment(0), {'better': experiment(0.01), 'same': experiment(0)}
    paired = effects(arms, baseline, 200, paired=True)
    unpaired = effects(arms, baseline, 200, paired=False)
    assert paired['better'].simultaneous.low > 0
    assert unpaired['better'].simultaneous.low < 0
    assert paired['same'].simultaneous.low < 0 < paired['same'].simultaneous.high
    differences = arms['better'].values - baseline.values
    assert paired['better'].estimate == pytest.approx(differences[:, 0].mean())
    assert unpaired['better'].estimate == pytest.approx(paired['better'].estimate)


def test_pairs_are_found_by_their_seeds_and_not_by_their_place(experiment):
    baseline, arm = experiment(0), experiment(0.01)
    shuffled = Runs(arm.values[[2, 0, 3, 1]], [SEEDS[i] for i in (2, 0, 3, 1)])
    ordered = effects({'arm': arm}, baseline, 200, paired=True)['arm']
    other = effects({'arm': shuffled}, baseline, 200, paired=True)['arm']
    assert other.se == pytest.approx(ordered.se) and other.estimate == pytest.approx(
        ordered.estimate
    )


@pytest.mark.parametrize('paired', [True, False])
def test_simultaneous_intervals_are_wider_and_widen_with_the_questions(experiment, paired):
    baseline = experiment(0)
    arms = {name: experiment(0) for name in 'abcde'}
    single = effects({'a': arms['a']}, baseline, 200, paired=paired)['a']
    several = effects(arms, baseline, 200, paired=paired)
    more = effects(arms, baseline, 200, paired=paired, n_questions=2)
    for arm in arms:
        bounds, wider = several[arm].simultaneous, more[arm].simultaneous
        assert wider.low < bounds.low and bounds.high < wider.high
        assert several[arm].p <= several[arm].p_adjusted <= more[arm].p_adjusted <= 1
        assert several[arm].detectable > several[arm].simultaneous.high - several[arm].estimate
    assert single.simultaneous.low == pytest.approx(single.low, abs=1e-4)


@pytest.mark.parametrize('paired', [True, False])
def test_an_undefined_metric_is_refused(paired):
    undefined = Runs(np.full((4, 101), np.nan), SEEDS)
    baseline = Runs(np.full((4, 101), 0.3), SEEDS)
    answer = effects({'a': undefined}, baseline, 100, paired=paired)['a']
    assert isinstance(answer, Refused)
