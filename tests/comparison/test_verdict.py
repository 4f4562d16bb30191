"""The sentence per arm claims no more than the numbers."""

import pytest

from mmdet_spatialattn.comparison.verdict import (
    EQUIVALENT,
    HELPS_ALIKE,
    HELPS_IN_CLUTTER,
    HELPS_LESS,
    HELPS_SOMEWHERE,
    HURTS,
    INCONCLUSIVE,
    MIXED,
    NO_VERDICT,
    ONE_TRAINING,
    WORDS,
    Evidence,
    judge,
)
from mmdet_spatialattn.results import Bounds, Estimate, Refused, Verdict


def effect(value, reach, p=0.5):
    """Return an effect with a simultaneous interval; its raw interval is half as wide."""
    bounds = Bounds(value - reach, value + reach)
    low, high = value - reach / 2, value + reach / 2
    return Estimate(value, low, high, 0.005, 99.0, p, p, 0.012, bounds)


UP, DOWN, OPEN = effect(0.03, 0.01), effect(-0.03, 0.01), effect(0.004, 0.01)
NEAR = effect(0.001, 0.003)
FEW = Refused("'crowded': 3 objects; a conclusion needs 30")
BASELINE = {'overall': 0.3, 'clean': 0.4, 'touching': 0.3, 'crowded': 0.1}


def evidence(overall, crowded, gain, touching=OPEN, clean=OPEN, **changes):
    effects = {'overall': overall, 'clean': clean, 'touching': touching, 'crowded': crowded}
    settings = dict(baseline=BASELINE, n_trainings=3, **changes)
    return Evidence(effects=effects, gain=gain, **settings)


@pytest.mark.parametrize(
    ('overall', 'clutter', 'gain', 'word'),
    [
        (UP, UP, UP, HELPS_IN_CLUTTER),
        (OPEN, UP, UP, HELPS_IN_CLUTTER),
        (UP, UP, OPEN, HELPS_ALIKE),
        (UP, OPEN, UP, HELPS_ALIKE),
        (UP, OPEN, DOWN, HELPS_LESS),
        (OPEN, OPEN, OPEN, INCONCLUSIVE),
        (NEAR, NEAR, OPEN, EQUIVALENT),
        (NEAR, OPEN, OPEN, INCONCLUSIVE),
        (DOWN, OPEN, OPEN, HURTS),
        (DOWN, DOWN, UP, HURTS),
        (UP, DOWN, DOWN, MIXED),
        (OPEN, OPEN, UP, INCONCLUSIVE),
        (UP, FEW, FEW, HELPS_ALIKE),
        (OPEN, FEW, FEW, INCONCLUSIVE),
        (NEAR, FEW, FEW, EQUIVALENT),
    ],
)
def test_the_word_follows_from_the_simultaneous_intervals(overall, clutter, gain, word):
    assert word in WORDS
    assert judge(evidence(overall, clutter, gain)).word == word


def test_what_is_settled_overall_is_said_where_clutter_is_open():
    verdict = judge(evidence(NEAR, effect(-0.004, 0.01), OPEN))
    assert verdict.word == INCONCLUSIVE
    assert verdict.sentence.startswith(
        'Inconclusive, leaning to worse where crowded (overall equivalent, within ±0.5 AP): AP '
    )
    assert judge(evidence(OPEN, OPEN, OPEN)).sentence.startswith('Inconclusive, leaning to better:')


def test_the_raw_interval_does_not_count():
    value = effect(0.015, 0.02)
    assert value.low > 0 > value.simultaneous.low
    assert judge(evidence(value, OPEN, OPEN)).word == INCONCLUSIVE


def test_every_stratum_can_speak():
    verdict = judge(evidence(OPEN, OPEN, OPEN, touching=UP))
    assert verdict.word == HELPS_SOMEWHERE
    assert 'Also touching +3.0 [+2.0, +4.0].' in verdict.sentence
    assert judge(evidence(OPEN, OPEN, OPEN, touching=DOWN)).word == HURTS
    assert judge(evidence(UP, OPEN, OPEN, touching=DOWN)).word == MIXED


def test_one_training_each_never_helps_or_hurts():
    for value in (UP, DOWN):
        verdict = judge(Evidence({'overall': value, 'crowded': value}, UP, BASELINE, 1))
        assert verdict.word == ONE_TRAINING
        assert 'One training each cannot tell' in verdict.sentence
    assert '+3.0 AP' in judge(Evidence({'overall': UP, 'crowded': UP}, UP, BASELINE, 1)).sentence


def test_a_baseline_that_detects_next_to_nothing_gives_no_verdict():
    for ap in (0.0, 0.049, Refused('no objects')):
        baseline = {**BASELINE, 'overall': ap}
        verdict = judge(Evidence({'overall': UP, 'crowded': UP}, UP, baseline, 3))
        assert verdict.word == NO_VERDICT
        assert 'Train it longer' in verdict.sentence


def test_the_same_detections_give_no_verdict():
    verdict = judge(evidence(NEAR, NEAR, NEAR, identical=True))
    assert verdict.word == NO_VERDICT
    assert 'Did its attention train?' in verdict.sentence


def test_a_reason_from_outside_withholds_the_verdict_whatever_the_numbers_are():
    verdict = judge(evidence(UP, UP, UP, withheld='2 of its 8 runs failed'))
    assert verdict == Verdict(NO_VERDICT, 'There is no verdict: 2 of its 8 runs failed.')


def test_too_few_objects_are_said_instead_of_an_effect():
    assert judge(evidence(FEW, FEW, FEW)).sentence == f'There is no verdict: {FEW}.'
    assert f'There is no clutter gain: {FEW}.' in judge(evidence(UP, FEW, FEW)).sentence


def test_an_open_question_says_where_it_leans_and_what_would_settle_it():
    sentence = judge(evidence(OPEN, OPEN, OPEN, more_seeds=5)).sentence
    assert sentence == (
        'Inconclusive, leaning to better: AP +0.4 [-0.6, +1.4], crowded +0.4 [-0.6, +1.4]. '
        'Clutter gain +0.4 [-0.6, +1.4] (crowded x 1.04 against clean x 1.01 of the baseline). '
        'About 5 more seeds would settle it.'
    )
    assert 'add test images' in judge(evidence(OPEN, OPEN, OPEN)).sentence
    leaning = judge(evidence(effect(-0.004, 0.01), OPEN, OPEN)).sentence
    assert leaning.startswith('Inconclusive, leaning to worse')


def test_equivalence_names_its_margin():
    assert judge(evidence(NEAR, NEAR, OPEN)).sentence.startswith('Equivalent (within ±0.5 AP)')
    assert judge(evidence(NEAR, NEAR, OPEN, delta=0.003)).word == INCONCLUSIVE


@pytest.mark.parametrize('sign', [1, -1])
def test_an_effect_that_is_there_may_be_shown_to_be_small(sign):
    small = effect(0.0006 * sign, 0.0005)
    verdict = judge(evidence(small, NEAR, OPEN))
    assert verdict.word == (HELPS_ALIKE if sign > 0 else HURTS)
    assert ', by less than 0.5 AP: AP ' in verdict.sentence
    assert 'by less than' not in judge(evidence(small, OPEN, OPEN)).sentence


@pytest.mark.parametrize(
    ('crowded', 'clean', 'praised'),
    [(DOWN, OPEN, False), (OPEN, DOWN, False), (OPEN, UP, True), (UP, DOWN, True), (UP, UP, True)],
)
def test_a_gain_without_an_effect_in_clutter_is_no_praise(crowded, clean, praised):
    sentence = judge(evidence(OPEN, crowded, UP, clean=clean)).sentence
    assert ('it loses less where there is less to lose' in sentence) != praised
