"""The sentence per arm claims no more than the numbers."""

import pytest

from mmdet_spatialattn.comparison.verdict import WORDS, judge
from mmdet_spatialattn.results import Estimate, Refused


def effect(value, p):
    return Estimate(value, value - 0.01, value + 0.01, 0.005, 99.0, p=p, p_holm=p, detectable=0.012)


UP, DOWN, NONE = effect(0.03, 0.001), effect(-0.03, 0.001), effect(0.004, 0.4)
FEW = Refused("'crowded': 3 objects; a conclusion needs 30")


@pytest.mark.parametrize(
    'overall, clutter, gain, word',
    [
        (UP, UP, UP, 'helps in clutter'),
        (NONE, UP, UP, 'helps in clutter'),
        (UP, UP, NONE, 'helps everywhere alike'),
        (UP, NONE, UP, 'helps everywhere alike'),
        (UP, NONE, DOWN, 'helps, but less in clutter'),
        (NONE, NONE, NONE, 'no effect detected'),
        (DOWN, NONE, NONE, 'hurts'),
        (DOWN, DOWN, UP, 'hurts'),
        (UP, DOWN, DOWN, 'mixed'),
        (NONE, NONE, UP, 'mixed'),
        (UP, FEW, FEW, 'helps everywhere alike'),
        (NONE, FEW, FEW, 'no effect detected'),
    ],
)
def test_the_word_follows_from_what_was_detected(overall, clutter, gain, word):
    assert word in WORDS
    assert judge(overall, clutter, gain, n_runs=3).word == word


def test_only_the_adjusted_p_value_counts():
    just = Estimate(0.03, 0.001, 0.06, 0.015, 99.0, p=0.04, p_holm=0.08, detectable=0.04)
    assert judge(just, just, NONE, n_runs=3).word == 'no effect detected'


def test_the_sentence_gives_numbers_and_what_could_have_been_missed():
    sentence = judge(NONE, NONE, NONE, n_runs=1, stratum='crowded').sentence
    assert sentence == (
        'No effect detected (the smallest effect this test could have seen is 1.2 AP): '
        'AP +0.4 [-0.6, +1.4] overall, +0.4 [-0.6, +1.4] in crowded. '
        'Clutter gain +0.4 [-0.6, +1.4], p = 0.400; a gain below 1.2 could have been missed. '
        'One run per arm: the noise of training is not in the intervals.'
    )


def test_too_few_objects_are_said_instead_of_an_effect():
    assert 'too few objects' in judge(FEW, FEW, FEW, n_runs=3).sentence
    assert 'too few objects' in judge(UP, FEW, FEW, n_runs=3).sentence
