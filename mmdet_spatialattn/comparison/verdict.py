"""One sentence per arm: what was found, in words that claim no more than the numbers."""

from dataclasses import dataclass
from typing import Optional

from .inference import LEVEL, Estimate

WORDS = (
    'helps in clutter',
    'helps everywhere alike',
    'helps, but less in clutter',
    'mixed',
    'no effect detected',
    'hurts',
)
"""What a verdict can be."""


@dataclass(frozen=True)
class Verdict:
    """Attributes: ``word``, one of :data:`WORDS`; ``sentence``, with the numbers it rests on."""

    word: str
    sentence: str


def judge(
    overall: Optional[Estimate],
    clutter: Optional[Estimate],
    gain: Optional[Estimate],
    n_runs: int,
    metric: str = 'AP',
    stratum: str = 'clutter',
) -> Verdict:
    """Put the effects of an arm into words.

    Only what is significant after Holm's adjustment counts as detected. "helps in clutter" needs
    two things: the clutter gain is positive, and so is the effect in clutter itself, as an arm that
    merely loses less there has a positive gain too.

    Args:
        overall: Effect on all objects; higher is better.
        clutter: Effect in the most cluttered stratum; ``None`` if there are too few objects.
        gain: The clutter gain; ``None`` likewise.
        n_runs: Runs of the arm or of the baseline, whichever has fewer.
        metric: Of the effects, for the sentence.
        stratum: What the most cluttered stratum is called.
    """
    signs = {_sign(effect) for effect in (overall, clutter)} - {0}
    if overall is None:
        return Verdict('no effect detected', 'There are too few objects or images for a verdict.')
    if signs == {1, -1}:
        word = 'mixed'
    elif -1 in signs:
        word = 'hurts'
    elif not signs:
        word = 'mixed' if _sign(gain) else 'no effect detected'
    elif _sign(gain) > 0 and _sign(clutter) > 0:
        word = 'helps in clutter'
    elif _sign(gain) < 0:
        word = 'helps, but less in clutter'
    else:
        word = 'helps everywhere alike'
    return Verdict(word, _sentence(word, overall, clutter, gain, n_runs, metric, stratum))


def _sign(effect: Optional[Estimate]) -> int:
    """Return 1 or -1 for an effect that was detected, else 0."""
    if effect is None or not effect.p_holm < 1 - LEVEL:
        return 0
    return 1 if effect.estimate > 0 else -1


def _sentence(
    word: str,
    overall: Estimate,
    clutter: Optional[Estimate],
    gain: Optional[Estimate],
    n_runs: int,
    metric: str,
    stratum: str,
) -> str:
    parts = [f'{word[0].upper()}{word[1:]}']
    if word == 'no effect detected':
        parts[0] += (
            f' (the smallest effect this test could have seen is {points(overall.detectable)} '
            f'{metric})'
        )
    parts[0] += f': {metric} {interval(overall)} overall'
    if clutter is not None:
        parts[0] += f', {interval(clutter)} in {stratum}'
    if gain is None:
        parts.append('There are too few objects or images in a stratum to tell the clutter gain')
    else:
        text = f'Clutter gain {interval(gain)}, p {_equals(p_value(gain.p_holm))}'
        if not _sign(gain):
            text += f'; a gain below {points(gain.detectable)} could have been missed'
        parts.append(text)
    if n_runs == 1:
        parts.append('One run per arm: the noise of training is not in the intervals')
    return '. '.join(parts) + '.'


def _equals(p: str) -> str:
    return p if p.startswith('<') else f'= {p}'


def points(value: float, sign: bool = False) -> str:
    """Return a metric in points, hundredths.

    Example:
        >>> points(0.0123), points(0.0123, sign=True)
        ('1.2', '+1.2')
    """
    return f'{100 * value:{"+" if sign else ""}.1f}'


def interval(estimate: Estimate) -> str:
    """Return an estimate and its interval in points.

    Example:
        >>> interval(Estimate(0.012, 0.004, 0.02, 0.01, 0.01, 0.011, 0.004, 9.0))
        '+1.2 [+0.4, +2.0]'
    """
    low, high = points(estimate.low, True), points(estimate.high, True)
    return f'{points(estimate.estimate, True)} [{low}, {high}]'


def p_value(p: float) -> str:
    """Return a p value.

    Example:
        >>> p_value(0.034), p_value(0.00012)
        ('0.034', '< 0.001')
    """
    return '< 0.001' if p < 0.001 else f'{p:.3f}'
