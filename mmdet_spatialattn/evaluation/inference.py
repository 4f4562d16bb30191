"""Is a difference more than chance? Intervals, p values and what a test could have seen.

Two things vary: which images came into the test set, and which seed a training drew. The images
are resampled (:mod:`.curves`), with the same counts for all arms, or groups of them where they are
not independent; the seeds are seen in the runs.

With one run per arm the interval is the bootstrap's percentile interval with median-bias
correction, widened as Student's interval of ``n - 1`` degrees of freedom is against the normal one
(Hesterberg 2015), since a resample of ``n`` images varies too little by ``(n - 1) / n``.

With several runs the variance of the difference of the arms' means has three parts::

    V = V_images + s_a^2 / K_a + s_b^2 / K_b

``s^2`` is the variance between the ``K`` runs of an arm on the images at hand. It holds the seeds,
and also what a run gains or loses on just these images. That second part is in the bootstrap's
variance of the difference of means too; it is estimated there, from the replicates of each run
around the arm's mean, and taken off, or it would count twice::

    V_images = var*(mean_a - mean_b) - w_a / K_a - w_b / K_b

The interval is Student's, with the degrees of freedom of Welch and Satterthwaite.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Optional

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
"""Of the intervals; ``1 - LEVEL`` is that of the tests."""

POWER = 0.8
"""With which a test sees the smallest detectable effect."""

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is.

    Attributes:
        estimate: The number.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p: Two-sided p value against 0; consistent with the interval.
        p_holm: The same, adjusted for how many questions were asked.
        detectable: Smallest effect that the test sees with a chance of 80 %, at the level that
            Holm's first step asks for.
        se: Standard error.
        df: Degrees of freedom.
    """

    estimate: float
    low: float
    high: float
    p: float
    p_holm: float
    detectable: float
    se: float
    df: float


@dataclass(frozen=True)
class Interval:
    """A number and how sure it is, where no question is asked; as in :class:`Estimate`."""

    estimate: float
    low: float
    high: float
    se: float
    df: float


def difference(arm: np.ndarray, base: np.ndarray, n_units: int) -> Optional[Estimate]:
    """Estimate how much higher the mean of an arm's runs is than that of another.

    Args:
        arm: ``(K_a, 1 + B)``, a metric of every run: as measured, and in ``B`` replicates. The
            replicates of all runs resample the same images.
        base: ``(K_b, 1 + B)``.
        n_units: Number of images that what is measured stands in, or of the groups of images that
            are resampled together.

    Returns:
        ``None`` when the metric is undefined in more than a tenth of the replicates.
    """
    return _infer(arm.mean(axis=0) - base.mean(axis=0), (arm, base), n_units)


def average(arm: np.ndarray, n_units: int) -> Optional[Interval]:
    """Estimate the mean of an arm's runs; arguments and result as in :func:`difference`."""
    found = _infer(arm.mean(axis=0), (arm,), n_units)
    if found is None:
        return None
    return Interval(found.estimate, found.low, found.high, found.se, found.df)


def _infer(values: np.ndarray, sides: tuple[np.ndarray, ...], n_units: int) -> Optional[Estimate]:
    """Estimate what ``values``, ``(1 + B,)``, are of; they come from the mean runs of the sides."""
    replicates = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(replicates) < 0.9 * (values.size - 1):
        return None
    repeated = [runs for runs in sides if len(runs) > 1]
    if not repeated:
        low, high, p = _percentile(values[0], replicates, n_units)
        se = float(replicates.std(ddof=1)) * _narrowness(n_units)
        return _estimate(values[0], low, high, p, se, max(n_units - 1, 1))
    shares = [1 / len(runs) for runs in repeated]
    if len(repeated) == 1:  # the seeds of a side with one run are taken to vary as the other's
        shares = [sum(1 / len(runs) for runs in sides)]
    between, own = zip(*(_variances(runs) for runs in repeated))
    terms = [share * s2 for share, s2 in zip(shares, between)]
    doubled = sum(share * w for share, w in zip(shares, own))
    images = max(float(replicates.var(ddof=1)) - doubled, 0.0) * _narrowness(n_units) ** 2
    variance = images + sum(terms)
    if variance == 0:
        return _estimate(values[0], values[0], values[0], float(values[0] == 0), 0.0, math.inf)
    freedom = [len(runs) - 1 for runs in repeated]
    df = variance**2 / (
        images**2 / max(n_units - 1, 1) + sum(term**2 / n for term, n in zip(terms, freedom))
    )
    se = math.sqrt(variance)
    reach = stdtrit(df, (1 + LEVEL) / 2) * se
    p = 2 * stdtr(df, -abs(values[0]) / se)
    return _estimate(values[0], values[0] - reach, values[0] + reach, p, se, df)


def _estimate(estimate: float, low: float, high: float, p: float, se: float, df: float) -> Estimate:
    values = (float(value) for value in (estimate, low, high, p, p, detectable(se, df, 1), se, df))
    return Estimate(*values)


def _variances(runs: np.ndarray) -> tuple[float, float]:
    """Return ``s^2`` between the runs, and ``w``, the part of it that is due to these images."""
    own = runs[:, 1:] - runs[:, 1:].mean(axis=0)
    own = own[:, np.isfinite(own).all(axis=0)]
    w = own.var(axis=1, ddof=1).sum() / (len(runs) - 1)
    return float(runs[:, 0].var(ddof=1)), float(w)


def _narrowness(n: int) -> float:
    """Return by how much replicates of ``n`` images vary too little."""
    return math.sqrt(n / (n - 1)) if n > 1 else 1.0


def _percentile(
    estimate: float, replicates: np.ndarray, n_units: int
) -> tuple[float, float, float]:
    """Return the ends of the bias-corrected percentile interval, and the p value it implies."""
    replicates, df = np.sort(replicates), max(n_units - 1, 1)
    bias = _NORMAL.inv_cdf(_share_below(replicates, estimate))
    reach = stdtrit(df, (1 + LEVEL) / 2) * _narrowness(n_units)
    low, high = (np.quantile(replicates, _NORMAL.cdf(2 * bias + z)) for z in (-reach, reach))
    # The level at which one end of the interval would be 0.
    z = _NORMAL.inv_cdf(_share_below(replicates, 0.0)) - 2 * bias
    return float(low), float(high), 2 * stdtr(df, -abs(z) / _narrowness(n_units))


def _share_below(rising: np.ndarray, value: float) -> float:
    """Return the share below ``value``, ties by half; never 0 or 1, as a sample cannot say so."""
    below, up_to = (np.searchsorted(rising, value, side) for side in ('left', 'right'))
    return float(below + up_to + 1) / 2 / (len(rising) + 1)


def detectable(se: float, df: float, questions: int) -> float:
    """Return the smallest effect that is significant with 80 % chance, asked among ``questions``.

    Example:
        >>> round(detectable(1.0, float('inf'), 1), 2)
        2.8
    """
    level = 1 - (1 - LEVEL) / (2 * max(questions, 1))
    return float((stdtrit(df, level) + stdtrit(df, POWER)) * se)


def holm(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Return the estimates with p values adjusted for their number (Holm 1979).

    Example:
        >>> [e.p_holm for e in holm([Estimate(1, 0, 2, p, p, 0, 1, 9) for p in (0.04, 0.01)])]
        [0.04, 0.02]
    """
    n = len(estimates)
    adjusted, out = 0.0, list(estimates)
    for rank, i in enumerate(sorted(range(n), key=lambda i: estimates[i].p)):
        one = estimates[i]
        adjusted = max(adjusted, min(1.0, (n - rank) * one.p))
        out[i] = replace(one, p_holm=adjusted, detectable=detectable(one.se, one.df, n))
    return out
