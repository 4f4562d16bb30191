"""What a reader of a comparison sees first: every arm in one sentence and three numbers."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

from ..comparison.verdict import (
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
    is_small,
)
from ..results import OVERALL, Comparison, Refused
from ..results.estimates import points_or_missing
from ..results.sweep import PLACEBO
from ..tables import points

PHRASES = {
    HELPS_IN_CLUTTER: 'Helps in clutter, and more there than elsewhere',
    HELPS_ALIKE: 'Helps, in clutter as elsewhere',
    HELPS_LESS: 'Helps, but less in clutter than elsewhere',
    HELPS_SOMEWHERE: 'Helps where there is some clutter, but neither much nor none',
    MIXED: 'Better in some places and worse in others',
    EQUIVALENT: 'Makes no difference',
    INCONCLUSIVE: 'Cannot be told yet, with so few runs or images',
    ONE_TRAINING: 'Cannot be told from one training each',
    NO_VERDICT: 'Nothing can be said, for the reason below',
    HURTS: 'Makes the detector worse',
}
"""What the words of verdicts mean to a reader who knows no statistics."""

BADGES = {
    HELPS_IN_CLUTTER: 'good',
    HELPS_ALIKE: 'good',
    EQUIVALENT: 'none',
    INCONCLUSIVE: 'none',
    ONE_TRAINING: 'none',
    NO_VERDICT: 'none',
    HURTS: 'bad',
}
"""Style of the badge of every verdict; others look as mixed ones do."""

WITH_EFFECT = (HELPS_IN_CLUTTER, HELPS_ALIKE, HELPS_LESS, HELPS_SOMEWHERE, MIXED, HURTS)
"""Verdicts that there is an effect."""

CONTROL_ROLE = 'The capacity control, {arm}, adds parameters but no attention: {word}.'
PLACEBO_ROLE = (
    'The {arm}, the baseline again with a start that differs by rounding, shows what chance does: '
    '{word}.'
)


class Change(NamedTuple):
    """A metric of the baseline and of an arm, in points."""

    before: str
    after: str


class ArmLine(NamedTuple):
    """One arm on the first screen.

    Attributes:
        arm: Its name.
        word: The word of its verdict.
        badge: Style of the word.
        role: What the arm is there for, if it is no candidate.
        sentence: The verdict in plain words.
        changes: By scope, the AP of the baseline and of the arm: overall and in the most cluttered
            stratum.
        cost: What it costs over the baseline; empty where that is unknown.
    """

    arm: str
    word: str
    badge: str
    role: str
    sentence: str
    changes: Mapping[str, Change]
    cost: str


class Step(NamedTuple):
    """A number of trainings, and the smallest effects that they show, by question."""

    seeds: int
    effects: Mapping[str, str]
    now: bool


def answers(comparison: Comparison, control: Optional[str] = None) -> list[str]:
    """Return what the arms did, in sentences for a lay reader; control and placebo come last.

    Args:
        comparison: The comparison.
        control: The arm that is the capacity control.
    """
    verdicts = comparison.verdicts
    alike: dict[tuple[str, str], list[str]] = {}
    for arm in sorted(comparison.effects, key=lambda arm: _rank(verdicts[arm].word)):
        if arm not in (control, PLACEBO):
            word = verdicts[arm].word
            alike.setdefault((word, _phrase(arm, comparison)), []).append(arm)
    sentences = [
        f'{phrase}: {", ".join(arms)}.{_addition(word, comparison)}'
        if word in PHRASES
        else f'{", ".join(arms)}: {word}.'
        for (word, phrase), arms in alike.items()
    ]
    for special, role in ((control, CONTROL_ROLE), (PLACEBO, PLACEBO_ROLE)):
        if special in comparison.effects:
            sentences.append(role.format(arm=special, word=verdicts[special].word))
    return sentences


def arm_lines(
    comparison: Comparison,
    *,
    control: Optional[str] = None,
    ratios: Mapping[str, Mapping[str, float]] = {},
) -> list[ArmLine]:
    """Return every arm as the first screen shows it: the best verdict first, candidates first.

    Args:
        comparison: The comparison.
        control: The arm that is the capacity control.
        ratios: By arm and kind of cost, the ratio to the baseline's cost.
    """
    roles = {control: 'capacity control', PLACEBO: 'placebo'}

    def order(arm: str) -> tuple[bool, int, float]:
        effect = comparison.effect(arm)
        estimate = 0.0 if isinstance(effect, Refused) else effect.estimate
        return arm in roles, _rank(comparison.verdicts[arm].word), -estimate

    scopes = dict.fromkeys((OVERALL, comparison.scopes[-1]))
    return [
        ArmLine(
            arm=arm,
            word=comparison.verdicts[arm].word,
            badge=BADGES.get(comparison.verdicts[arm].word, 'mixed'),
            role=roles.get(arm, ''),
            sentence=_sentence(arm, comparison),
            changes={scope: _change(comparison, arm, scope) for scope in scopes},
            cost=', '.join(_costs(ratios.get(arm, {}))),
        )
        for arm in sorted(comparison.effects, key=order)
    ]


def trainings(comparison: Comparison) -> int:
    """Return the number of trainings of the arm that has the fewest."""
    return min(len(arm.runs) for arm in comparison.arms.values())


def confidence_steps(comparison: Comparison) -> list[Step]:
    """Return what fewer, as many and more trainings show; nothing where runs are not paired."""
    powers = list(comparison.power.values())
    if not powers:
        return []
    seeds = max(len(arm.runs) for arm in comparison.arms.values()) // powers[0].n_bases
    curve = [n for n, _ in powers[0].curve]
    now = max((n for n in curve if n <= seeds), default=curve[0])
    return [
        Step(
            n,
            {
                f'{power.metric} {power.scope}': points(power.curve[i][1], decimals=2)
                for power in powers
            },
            n == now,
        )
        for i, n in enumerate(curve)
    ]


def _rank(word: str) -> int:
    """Return the position of a verdict among all, the best first; unknown ones are last."""
    return [*WORDS, word].index(word)


def _phrase(arm: str, comparison: Comparison) -> str:
    """Return what the verdict on an arm means, and whether the effect is small."""
    word, delta = comparison.verdicts[arm].word, comparison.settings.delta
    phrase = PHRASES.get(word, word)
    if word in WITH_EFFECT and is_small(
        {s: comparison.effect(arm, s) for s in comparison.scopes}, delta
    ):
        phrase += f', but by less than {points(delta)} AP'
    return phrase


def _addition(word: str, comparison: Comparison) -> str:
    if word != EQUIVALENT:
        return ''
    return f' If there is an effect, it is below {points(comparison.settings.delta)} AP.'


def _sentence(arm: str, comparison: Comparison) -> str:
    verdict = comparison.verdicts[arm]
    if verdict.word == NO_VERDICT:
        return verdict.sentence
    return f'{_phrase(arm, comparison)}.{_addition(verdict.word, comparison)}'


def _change(comparison: Comparison, arm: str, scope: str) -> Change:
    before, after = (
        comparison.arms[name].metrics[scope]['AP'] for name in (comparison.baseline, arm)
    )
    return Change(points_or_missing(before), points_or_missing(after))


def _costs(ratios: Mapping[str, float]) -> Iterator[str]:
    """Yield the costs that a reader feels: the time, or else the operations, and the size."""
    time = 'latency' if 'latency' in ratios else 'FLOPs'
    for kind, name in ((time, {'latency': 'time'}.get(time, time)), ('parameters', 'parameters')):
        if kind in ratios:
            change = 100 * (ratios[kind] - 1)
            yield f'{change:+.{0 if abs(change) >= 10 else 1}f}\N{NO-BREAK SPACE}% {name}'
