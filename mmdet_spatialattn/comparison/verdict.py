"""One word and one sentence per arm: what was found, in words that claim no more than the numbers.

Words follow from the simultaneous intervals, which account for all arms: an effect is there when
its whole interval lies on one side of zero, and an arm is equivalent to the baseline when its whole
interval lies within ``-delta`` to ``delta``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from ..results import OVERALL, Estimate, Refused, Verdict
from ..results.estimates import Bounds, EstimateOrRefused, Number
from ..tables import estimate_points, points

HELPS_IN_CLUTTER = 'helps in clutter'
HELPS_ALIKE = 'helps everywhere alike'
HELPS_LESS = 'helps, less in clutter'
HELPS_SOMEWHERE = 'helps in some strata'
MIXED = 'mixed'
EQUIVALENT = 'equivalent'
INCONCLUSIVE = 'inconclusive'
ONE_TRAINING = 'one training each'
NO_VERDICT = 'no verdict'
HURTS = 'hurts'

WORDS = (
    HELPS_IN_CLUTTER,
    HELPS_ALIKE,
    HELPS_LESS,
    HELPS_SOMEWHERE,
    MIXED,
    EQUIVALENT,
    INCONCLUSIVE,
    ONE_TRAINING,
    NO_VERDICT,
    HURTS,
)
"""The words of verdicts, from the best."""

LOWEST_AP = 0.05
"""A baseline with a lower AP detects next to nothing, and nothing is concluded from it."""


@dataclass(frozen=True)
class Evidence:
    """What the verdict on an arm rests on.

    Attributes:
        effects: By scope, overall first, the effect on AP.
        gain: The clutter gain in AP.
        baseline: By scope, the AP of the baseline.
        n_trainings: Trainings of the arm or of the baseline, whichever has fewer.
        delta: Effects within ``-delta`` to ``delta`` count as none.
        more_seeds: About how many more seeds would settle it; ``None`` where no number would, or
            where that is unknown.
        identical: Whether every run detects exactly what the baseline's run detects.
        withheld: Why nothing may be concluded whatever the numbers are, such as failed runs; empty
            where there is no such reason.
    """

    effects: Mapping[str, EstimateOrRefused]
    gain: EstimateOrRefused
    baseline: Mapping[str, Number]
    n_trainings: int
    delta: float = 0.005
    more_seeds: Optional[int] = None
    identical: bool = False
    withheld: str = ''
    ap: str = 'AP'

    @property
    def clutter(self) -> str:
        """Name of the most cluttered stratum."""
        return list(self.effects)[-1]


def judge(evidence: Evidence) -> Verdict:
    """Put the effects of an arm into words.

    "helps in clutter" needs two things: the clutter gain is positive, and so is the effect in
    clutter itself, as an arm that merely loses less there has a positive gain too.
    """
    reason = _obstacle(evidence)
    if reason is not None:
        return Verdict(NO_VERDICT, reason)
    overall = evidence.effects[OVERALL]
    assert isinstance(overall, Estimate)
    if evidence.n_trainings == 1:
        return Verdict(
            ONE_TRAINING,
            f'These two trainings differ by {points(overall.estimate, signed=True)} AP on these '
            'images. One training each cannot tell whether the method makes a difference: train '
            'several seeds.',
        )
    signs = {scope: _sign(effect) for scope, effect in evidence.effects.items()}
    word = _word(evidence, signs)
    return Verdict(word, ' '.join(_sentences(word, evidence, signs)))


def _obstacle(evidence: Evidence) -> Optional[str]:
    """Return why there can be no verdict, with the remedy; ``None`` if there can."""
    ap = evidence.baseline[OVERALL]
    overall = evidence.effects[OVERALL]
    if evidence.withheld:
        return f'There is no verdict: {evidence.withheld}.'
    if isinstance(overall, Refused):
        return f'There is no verdict: {overall}.'
    if isinstance(ap, Refused) or ap < LOWEST_AP:
        value = ap if isinstance(ap, Refused) else f'AP {points(ap)}, below {points(LOWEST_AP)}'
        return (
            f'There is no verdict: the baseline detects next to nothing ({value}). Train it '
            'longer, or start from a trained detector.'
        )
    if evidence.identical:
        return (
            'There is no verdict: every run detects exactly what the run of the baseline with its '
            'seed detects, so nothing was compared. Did its attention train?'
        )
    return None


def _sign(effect: EstimateOrRefused) -> int:
    """Return 1 or -1 for an effect whose simultaneous interval excludes 0, else 0."""
    if isinstance(effect, Refused) or not isinstance(effect.simultaneous, Bounds):
        return 0
    return effect.simultaneous.sign


def _word(evidence: Evidence, signs: Mapping[str, int]) -> str:
    better, worse = 1 in signs.values(), -1 in signs.values()
    gain, clutter = _sign(evidence.gain), signs[evidence.clutter]
    if better and worse:
        return MIXED
    if worse:
        return HURTS
    if better and gain > 0 and clutter > 0:
        return HELPS_IN_CLUTTER
    if better and gain < 0:
        return HELPS_LESS
    if better:
        return HELPS_ALIKE if signs[OVERALL] > 0 or clutter > 0 else HELPS_SOMEWHERE
    return EQUIVALENT if is_small(evidence.effects, evidence.delta) else INCONCLUSIVE


def is_small(effects: Mapping[str, EstimateOrRefused], delta: float) -> bool:
    """Return whether the effects overall and in clutter are shown to be less than ``delta``.

    An effect may be there, with its whole interval above 0, and be small.

    Args:
        effects: By scope, overall first, the most cluttered stratum last.
        delta: Effects within ``-delta`` to ``delta`` count as none.
    """
    scopes = list(effects)
    return all(_within(effects[scope], delta) for scope in (scopes[0], scopes[-1]))


def _within(effect: EstimateOrRefused, delta: float) -> bool:
    """Return whether an effect is shown to be less than delta; a refused one is not in the way."""
    if isinstance(effect, Refused):
        return True
    return isinstance(effect.simultaneous, Bounds) and effect.simultaneous.within(delta)


def _sentences(word: str, evidence: Evidence, signs: Mapping[str, int]) -> list[str]:
    overall, clutter = evidence.effects[OVERALL], evidence.effects[evidence.clutter]
    assert isinstance(overall, Estimate)
    finding = f'{word[0].upper()}{word[1:]}'
    if word == EQUIVALENT:
        finding += f' (within ±{points(evidence.delta)} AP)'
    if word == INCONCLUSIVE:
        open_one, place = overall, ''
        if _within(overall, evidence.delta) and isinstance(clutter, Estimate):
            open_one, place = clutter, f' where {evidence.clutter}'
        finding += f', leaning to {"better" if open_one.estimate > 0 else "worse"}{place}'
        if place:
            finding += f' (overall equivalent, within ±{points(evidence.delta)} AP)'
    if word not in (EQUIVALENT, INCONCLUSIVE) and is_small(evidence.effects, evidence.delta):
        finding += f', by less than {points(evidence.delta)} AP'
    finding += f': {evidence.ap} {_spoken(overall)}'
    if isinstance(clutter, Estimate):
        finding += f', {evidence.clutter} {_spoken(clutter)}'
    sentences = [f'{finding}.']
    others = [
        f'{scope} {_spoken(effect)}'
        for scope, effect in evidence.effects.items()
        if signs[scope] and scope not in (OVERALL, evidence.clutter)
        and isinstance(effect, Estimate)
    ]  # fmt: skip
    if others:
        sentences.append(f'Also {", ".join(others)}.')
    sentences.append(_gain_sentence(evidence))
    if word == INCONCLUSIVE:
        sentences.append(_remedy(evidence.more_seeds))
    return sentences


def _spoken(effect: Estimate) -> str:
    """Return an effect with the interval that the words follow from."""
    bounds = effect.simultaneous
    if not isinstance(bounds, Bounds):
        return points(effect.estimate, signed=True)
    return f'{estimate_points(effect.estimate, bounds.low, bounds.high, signed=True)} {bounds}'


def _gain_sentence(evidence: Evidence) -> str:
    gain, clutter = evidence.gain, evidence.effects[evidence.clutter]
    if isinstance(gain, Refused):
        return f'There is no clutter gain: {gain}.'
    sentence = f'Clutter gain {_spoken(gain)}{_relative(evidence)}'
    if isinstance(clutter, Estimate) and _sign(gain) > 0 and _only_loses_less(evidence, clutter):
        sentence += ': it loses less where there is less to lose'
    return f'{sentence}.'


def _only_loses_less(evidence: Evidence, clutter: Estimate) -> bool:
    """Return whether a positive clutter gain comes from losses where there is little clutter."""
    least = evidence.effects[list(evidence.effects)[1]]
    loses = isinstance(least, Estimate) and least.estimate < 0
    return clutter.estimate <= 0 or (loses and _sign(clutter) <= 0)


def _relative(evidence: Evidence) -> str:
    """Return the effects in the most and the least cluttered stratum as factors."""
    factors = []
    least = list(evidence.effects)[1]
    for scope in (evidence.clutter, least):
        effect, base = evidence.effects[scope], evidence.baseline[scope]
        if isinstance(effect, Refused) or isinstance(base, Refused) or base <= 0:
            return ''
        factors.append(f'{scope} x {1 + effect.estimate / base:.2f}')
    return f' ({" against ".join(factors)} of the baseline)'


def _remedy(more_seeds: Optional[int]) -> str:
    if more_seeds is None:
        return 'More seeds alone may not settle it: add test images too.'
    return f'About {more_seeds} more seed{"" if more_seeds == 1 else "s"} would settle it.'
