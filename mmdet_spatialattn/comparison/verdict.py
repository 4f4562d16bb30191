"""One sentence per arm: what was found, in words that claim no more than the numbers."""

from ..results import Estimate, Refused, Verdict
from ..results.estimates import EstimateOrRefused
from ..tables import p_value, points
from .inference import LEVEL

WORDS = (
    'helps in clutter',
    'helps everywhere alike',
    'helps, but less in clutter',
    'mixed',
    'no effect detected',
    'hurts',
)
"""What a verdict can be."""


def judge(
    overall: EstimateOrRefused,
    clutter: EstimateOrRefused,
    gain: EstimateOrRefused,
    *,
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
        clutter: Effect in the most cluttered stratum.
        gain: The clutter gain.
        n_runs: Runs of the arm or of the baseline, whichever has fewer.
        metric: Name of the metric, for the sentence.
        stratum: Name of the most cluttered stratum.
    """
    if isinstance(overall, Refused):
        return Verdict('no effect detected', 'There are too few objects or images for a verdict.')
    word = _word(overall, clutter, gain)
    return Verdict(word, _sentence(word, overall, clutter, gain, n_runs, metric, stratum))


def _word(overall: Estimate, clutter: EstimateOrRefused, gain: EstimateOrRefused) -> str:
    signs = {_sign(overall), _sign(clutter)} - {0}
    if signs == {1, -1}:
        return 'mixed'
    if -1 in signs:
        return 'hurts'
    if not signs:
        return 'mixed' if _sign(gain) else 'no effect detected'
    if _sign(gain) > 0 and _sign(clutter) > 0:
        return 'helps in clutter'
    return 'helps, but less in clutter' if _sign(gain) < 0 else 'helps everywhere alike'


def _sign(effect: EstimateOrRefused) -> int:
    """Return 1 or -1 for an effect that was detected, else 0."""
    if isinstance(effect, Refused) or not effect.p_holm < 1 - LEVEL:
        return 0
    return 1 if effect.estimate > 0 else -1


def _sentence(
    word: str,
    overall: Estimate,
    clutter: EstimateOrRefused,
    gain: EstimateOrRefused,
    n_runs: int,
    metric: str,
    stratum: str,
) -> str:
    finding = f'{word[0].upper()}{word[1:]}'
    if word == 'no effect detected':
        finding += (
            f' (the smallest effect this test could have seen is {points(overall.detectable)} '
            f'{metric})'
        )
    finding += f': {metric} {overall} overall'
    if isinstance(clutter, Estimate):
        finding += f', {clutter} in {stratum}'
    sentences = [finding, _gain_sentence(gain)]
    if n_runs == 1:
        sentences.append('One run per arm: the noise of training is not in the intervals')
    return '. '.join(sentences) + '.'


def _gain_sentence(gain: EstimateOrRefused) -> str:
    if isinstance(gain, Refused):
        return 'There are too few objects or images in a stratum to tell the clutter gain'
    p = p_value(gain.p_holm)
    sentence = f'Clutter gain {gain}, p {p if p.startswith("<") else f"= {p}"}'
    if not _sign(gain):
        sentence += f'; a gain below {points(gain.detectable)} could have been missed'
    return sentence
