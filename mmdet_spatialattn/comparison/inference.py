"""Is a difference more than chance? Intervals, p values and what a test could have seen.

Two things vary: which images came into the test set, and which seed a training drew. The images
are resampled (:mod:`.curves`), with the same counts for all arms, or groups of them where they are
not independent; the seeds are seen in the runs. The variance of the difference of two arms' means
has two parts::

    V = V_images + s^2 (1 / K_a + 1 / K_b)

``s^2`` is the variance between the runs of an arm on the images at hand, pooled over the two arms.
It holds the seeds, and also what a run gains or loses on just these images. That second part is in
the bootstrap's variance of the difference of means too; it is estimated there, from the replicates
of each run around its arm's mean, and taken off, or it would count twice::

    V_images = n / (n - 1) (var*(mean_a - mean_b) - w (1 / K_a + 1 / K_b))

The factor is there because a resample of ``n`` images varies too little (Hesterberg 2015, What
Teachers Should Know About the Bootstrap). The interval is Student's; ``V_images`` has ``n - 1``
degrees of freedom, ``s^2`` has ``K_a + K_b - 2``, and the sum has Satterthwaite's. With one run per
arm there is no ``s^2``, and the noise of training is not in the interval.

Two other ways are common, and are worse here; ``test_inference.py`` shows both. A percentile
interval, corrected for the bias of the median, is too short where images are few, and knows nothing
of how few the seeds are; an effect has next to no bias, and the correction, taken from the
replicates, is noise of its own. Welch's test, which does not pool, calls 2.3 % of equal arms with
two runs different, 3.5 % with three, where 5 % are meant; pooled, they are 5 %, and at most 6.8 %
where one arm varies twice as much as the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
"""Of the intervals; ``1 - LEVEL`` is that of the tests."""

POWER = 0.8
"""With which a test sees the smallest detectable effect."""


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
    freedom = sum(len(runs) - 1 for runs in repeated)
    images, seeds = float(replicates.var(ddof=1)), 0.0
    if repeated:  # a side with one run is taken to vary between seeds as the other does
        between, own = (sum(parts) / freedom for parts in zip(*map(_squares, repeated)))
        share = sum(1 / len(runs) for runs in sides)
        images, seeds = max(images - share * own, 0.0), share * between
    images *= n_units / max(n_units - 1, 1)
    if images + seeds == 0:
        ends = (values[0],) * 3
        return _estimate(*ends, float(values[0] == 0), 0.0, math.inf)
    df = (images + seeds) ** 2 / (
        images**2 / max(n_units - 1, 1) + (seeds**2 / freedom if repeated else 0)
    )
    se = math.sqrt(images + seeds)
    reach = stdtrit(df, (1 + LEVEL) / 2) * se
    p = 2 * stdtr(df, -abs(values[0]) / se)
    return _estimate(values[0], values[0] - reach, values[0] + reach, p, se, df)


def _estimate(estimate: float, low: float, high: float, p: float, se: float, df: float) -> Estimate:
    values = (float(value) for value in (estimate, low, high, p, p, detectable(se, df, 1), se, df))
    return Estimate(*values)


def _squares(runs: np.ndarray) -> tuple[float, float]:
    """Return the sum of squares between the runs, and the part of it due to these images."""
    measured, own = (part - part.mean(axis=0) for part in (runs[:, 0], runs[:, 1:]))
    own = own[:, np.isfinite(own).all(axis=0)]
    return float((measured**2).sum()), float(own.var(axis=1, ddof=1).sum())


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
