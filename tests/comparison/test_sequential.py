"""Looks at growing data: published boundaries, error rates, and that resuming changes nothing."""

import numpy as np
import pytest

from mmdet_spatialattn.comparison.power import Design, half_width, variance_components
from mmdet_spatialattn.comparison.sequential import (
    Plan,
    boundaries,
    decide,
    next_look,
    seeds_for_delta,
)
from mmdet_spatialattn.comparison.simultaneous import family_of, many_to_one
from mmdet_spatialattn.comparison.variance import variance_parts
from mmdet_spatialattn.errors import UserError

from .simulated import differences


def quiet(rng, effects, *, seeds=12, between_seeds=0.001, images=0.0005, **kwargs):
    """Draw arms with these effects and little noise: points of AP are hundredths."""
    effects = np.reshape(effects, (-1, 1, 1, 1))
    options = dict(seeds=seeds, between_seeds=between_seeds, images=images, **kwargs)
    return effects + differences(rng, arms=len(effects), **options)


def test_the_boundaries_for_five_arms_are_the_published_ones():
    actual = boundaries(5)
    assert actual.t[0] == pytest.approx(8.64, rel=0.1)  # of nine crossings in 100,000
    assert actual.t[1:] == pytest.approx([4.60, 3.32, 2.76], rel=0.015)


def test_the_budget_is_spent_as_obrien_and_fleming_do():
    """Lan and DeMets: 2 (1 - Phi(1.96 / sqrt(t))) at 3, 5, 8 and 12 of 12 seeds."""
    actual = boundaries(3)
    assert actual.spent == pytest.approx([0.0000886, 0.0023945, 0.0163747, 0.05], rel=1e-3)
    assert actual.levels[0] == actual.spent[0]
    for level, before, spent in zip(actual.levels[1:], actual.spent, actual.spent[1:]):
        assert spent - before - 0.0003 < level < spent


def test_a_single_look_costs_nothing():
    (level,) = boundaries(4, Plan(looks=(5,))).levels
    assert level == pytest.approx(0.05)


def test_looks_are_paid_for():
    """Three arms without effects, 2,000 times, by the procedure's own adjusted p values."""
    rng, plan = np.random.default_rng(0), Plan()
    paid, naive = [], []
    for _ in range(20):
        runs = differences(rng, arms=3, seeds=12, images=0.1, n_images=30, trials=100)
        wrong, wrong_naive = np.zeros((2, 100), bool)
        for look, level in zip(plan.looks, boundaries(3, plan).levels):
            parts = variance_parts(runs[..., :look, :], 30)
            family = family_of(parts, level=1 - level, n_arms=3)
            wrong |= (family.adjusted_p() < level).any(axis=-1)
            p = family_of(parts, n_arms=3).adjusted_p()
            wrong_naive |= (p < 0.05).any(axis=-1)
        paid.append(wrong)
        naive.append(wrong_naive)
    assert 0.025 < np.mean(paid) < 0.06
    assert np.mean(naive) > 0.08


def test_clear_arms_are_settled_and_the_rest_stays_open():
    rng = np.random.default_rng(1)
    runs = quiet(rng, [0.02, -0.02, 0.0, 0.005], n_images=200)
    better, worse, same, edge = decide(runs, 200)
    assert (better.state, worse.state, same.state) == ('better', 'worse', 'equivalent')
    assert better.effect.low > 0 > worse.effect.high
    assert -0.005 < same.effect.low < same.effect.high < 0.005
    assert edge.state == 'better'
    assert max(better.look, worse.look) <= same.look <= 8
    assert {better.more_seeds, worse.more_seeds, same.more_seeds} == {0}


def test_nothing_is_decided_before_the_first_look():
    rng = np.random.default_rng(2)
    decisions = decide(quiet(rng, [0.02, 0.0], seeds=2), 50)
    assert all(d.state == 'open' and d.look == 0 and d.effect is None for d in decisions)
    assert next_look(decisions) == 3
    assert decide(np.full((2, 0, 11), np.nan), 50) == decisions


def test_stopping_and_resuming_changes_nothing():
    """Every prefix of the data decides what the whole data decided at that look."""
    rng = np.random.default_rng(3)
    runs = quiet(rng, [0.02, 0.003, 0.0, -0.003], between_seeds=0.002)
    whole = decide(runs, 50)
    assert len({decision.look for decision in whole}) > 1
    states = []
    for seeds in range(13):
        partial = decide(runs[:, :, :seeds], 50)
        for decision, final in zip(partial, whole):
            if decision.state != 'open':
                assert decision == final
            else:
                assert final.look >= decision.look
        states.append([decision.state for decision in partial])
    assert states[-1] == [decision.state for decision in whole]
    assert states[3] == states[4]


def test_seeds_beyond_the_look_that_settled_an_arm_are_not_looked_at():
    rng = np.random.default_rng(4)
    runs = quiet(rng, [0.02, 0.0015, 0.0015], between_seeds=0.003)
    first = decide(runs, 50)
    assert first[0].look < max(decision.look for decision in first)
    stopped = runs.copy()
    stopped[0, :, first[0].look :] = np.nan
    assert decide(stopped, 50) == first
    stopped[0, :, first[0].look :] = 7.0
    assert decide(stopped, 50) == first


def test_a_look_waits_for_every_open_arm_and_skips_failed_runs():
    rng = np.random.default_rng(5)
    runs = quiet(rng, [0.02, 0.02], seeds=4)
    runs[0, :, 1] = np.nan
    assert decide(runs[:, :, :3], 50)[1].look == 0
    decisions = decide(runs, 50)
    assert [decision.look for decision in decisions] == [3, 3]
    assert decisions[0].effect.raw.estimate == pytest.approx(runs[0, 0, [0, 2, 3], 0].mean())
    assert decisions[1].effect.raw.estimate == pytest.approx(runs[1, 0, :3, 0].mean())


def test_an_arm_that_cannot_be_settled_is_futile():
    """The test images alone leave an interval of +-0.03 around 0; half a point is out of reach."""
    rng = np.random.default_rng(6)
    runs = quiet(rng, [0.0, 0.0], images=0.01)
    decisions = decide(runs, 50)
    assert {decision.state for decision in decisions} == {'futile'}
    assert {decision.more_seeds for decision in decisions} == {None}
    assert next_look(decisions) is None
    patient = decide(runs, 50, Plan(futility=0.0))
    assert {decision.state for decision in patient} == {'open'}
    assert {decision.look for decision in patient} == {12}


def test_an_open_arm_is_told_how_many_more_seeds_it_takes():
    """Two points with a scatter of three: about (2.5 * 3 / 2)^2 seeds are needed."""
    rng = np.random.default_rng(7)
    runs = quiet(rng, [0.02, 0.02, 0.0], between_seeds=0.03, seeds=8)
    decision = decide(runs, 50)[0]
    assert decision.state == 'open'
    assert decision.look == 8
    level = 1 - boundaries(3).levels[-1]
    effect, needed = decision.effect, decision.look + decision.more_seeds
    width = max(abs(effect.raw.estimate), 0.005 - abs(effect.raw.estimate))
    assert half_width(effect.components, Design(needed, 3, level=level)) < width
    assert half_width(effect.components, Design(needed - 1, 3, level=level)) >= width
    assert 1 <= decision.more_seeds < 60


def test_the_next_look_is_that_of_the_open_arms():
    rng = np.random.default_rng(8)
    runs = quiet(rng, [0.05, 0.01, 0.012], between_seeds=0.02, seeds=5)
    decisions = decide(runs, 50)
    assert 'open' in {decision.state for decision in decisions}
    assert next_look(decisions) == 8
    assert next_look(decide(runs, 50, Plan(looks=(3, 5), futility=0)), Plan(looks=(3, 5))) is None


def test_a_delta_out_of_reach_is_named_with_the_seeds_it_would_take():
    rng = np.random.default_rng(9)
    pilot = quiet(rng, [0.0] * 4, between_seeds=0.01, seeds=6)
    components = variance_components(pilot, 50)
    seeds = seeds_for_delta(components, 4)
    level = 1 - boundaries(4).levels[-1]
    assert seeds > 12
    assert half_width(components, Design(seeds, 4, level=level)) < 0.005
    assert half_width(components, Design(seeds - 1, 4, level=level)) >= 0.005
    blurred = variance_components(quiet(rng, [0.0] * 4, images=0.01), 50)
    assert seeds_for_delta(blurred, 4) is None


def test_the_deciding_interval_is_the_simultaneous_one_at_the_level_of_the_look():
    rng = np.random.default_rng(10)
    runs = quiet(rng, [0.0, 0.01], between_seeds=0.01, seeds=5)
    decisions = decide(runs, 50, Plan(futility=0))
    level = 1 - boundaries(2).levels[1]
    assert [d.effect for d in decisions] == list(many_to_one(runs, 50, level=level).arms)


def test_several_bases_are_looked_at_too():
    rng = np.random.default_rng(11)
    runs = quiet(rng, [0.02, 0.0], bases=3, between_bases=0.0005)
    better, same = decide(runs, 50)
    assert (better.state, same.state) == ('better', 'equivalent')
    assert better.effect.raw.n_bases == same.effect.raw.n_bases == 3


@pytest.mark.parametrize(
    'kwargs, message',
    [
        ({'looks': (5, 3)}, 'increasing numbers of seeds'),
        ({'looks': (1, 3)}, 'increasing numbers of seeds'),
        ({'looks': ()}, 'increasing numbers of seeds'),
        ({'delta': 0}, 'positive difference'),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(kwargs, message):
    with pytest.raises(UserError, match=message):
        Plan(**kwargs)
