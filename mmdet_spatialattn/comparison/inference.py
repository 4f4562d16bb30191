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
from dataclasses import replace

import numpy as np
from scipy.special import stdtr, stdtrit

from ..results import Bounds, Estimate, Interval, Refused
from ..results.estimates import EstimateOrRefused, IntervalOrRefused

LEVEL = 0.95
"""Confidence level of the intervals; tests use ``1 - LEVEL``."""

UNDEFINED = Refused('undefined in too many resamples of the images')

POWER = 0.8
"""Chance with which a test finds the smallest detectable effect."""


def difference(arm: np.ndarray, base: np.ndarray, n_units: int) -> EstimateOrRefused:
    """Estimate how much higher the mean of an arm's runs is than that of another arm.

    Args:
        arm: ``(K_a, 1 + B)``, a metric of every run: the observed value, followed by its ``B``
            bootstrap replicates. The replicates of all runs resample the same images.
        base: ``(K_b, 1 + B)``.
        n_units: Number of images that hold what is measured, or of the groups of images that are
            resampled together.

    Returns:
        The estimate; refused when the metric is undefined in more than a tenth of the replicates.
    """
    return _infer(arm.mean(axis=0) - base.mean(axis=0), (arm, base), n_units)


def average(arm: np.ndarray, n_units: int) -> IntervalOrRefused:
    """Estimate the mean of an arm's runs; see :func:`difference`."""
    mean = _infer(arm.mean(axis=0), (arm,), n_units)
    if isinstance(mean, Refused):
        return mean
    return Interval(mean.estimate, mean.low, mean.high, mean.se, mean.df)


def detectable(se: float, df: float, questions: int) -> float:
    """Return the smallest effect that is significant with 80 % chance, asked among ``questions``.

    Example:
        >>> round(detectable(1.0, float('inf'), 1), 2)
        2.8
    """
    level = 1 - (1 - LEVEL) / (2 * max(questions, 1))
    return float((stdtrit(df, level) + stdtrit(df, POWER)) * se)


def simultaneous(estimates: Sequence[Estimate], n_questions: int) -> list[Estimate]:
    """Return estimates whose intervals and p values account for a number of questions (Bonferroni).

    Example:
        >>> rows = np.random.default_rng(0).normal(0.01, 0.01, (4, 101))
        >>> (effect,) = simultaneous([difference(rows, np.zeros((4, 101)), 200)], 5)
        >>> effect.simultaneous.low < effect.low, effect.p_adjusted == min(1, 5 * effect.p)
        (True, True)
    """
    level = 1 - (1 - LEVEL) / max(n_questions, 1)
    adjusted = []
    for estimate in estimates:
        reach = float(stdtrit(estimate.df, (1 + level) / 2)) * estimate.se
        bounds = Bounds(estimate.estimate - reach, estimate.estimate + reach)
        adjusted.append(
            replace(
                estimate,
                p_adjusted=min(1.0, n_questions * estimate.p),
                detectable=detectable(estimate.se, estimate.df, n_questions),
                simultaneous=bounds,
            )
        )
    return adjusted


def _infer(values: np.ndarray, sides: tuple[np.ndarray, ...], n_units: int) -> EstimateOrRefused:
    """Estimate a quantity from its observed value and replicates.

    Args:
        values: ``(1 + B,)``, computed from the mean runs of the sides.
        sides: ``(K, 1 + B)`` each, the runs of the arms that the quantity compares.
        n_units: Number of units that are resampled.
    """
    replicates = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(replicates) < 0.9 * (values.size - 1):
        return UNDEFINED
    repeated = [runs for runs in sides if len(runs) > 1]
    freedom = sum(len(runs) - 1 for runs in repeated)
    images, seeds = float(replicates.var(ddof=1)), 0.0
    if repeated:  # a side with one run is taken to vary between seeds as the other does
        between, own = (sum(parts) / freedom for parts in zip(*map(_squares, repeated)))
        share = sum(1 / len(runs) for runs in sides)
        images, seeds = max(images - share * own, 0.0), share * between
    images *= n_units / max(n_units - 1, 1)
    if images + seeds == 0:
        return _estimate(values[0], 0.0, float(values[0] == 0), 0.0, math.inf)
    df = (images + seeds) ** 2 / (
        images**2 / max(n_units - 1, 1) + (seeds**2 / freedom if repeated else 0)
    )
    se = math.sqrt(images + seeds)
    reach = stdtrit(df, (1 + LEVEL) / 2) * se
    return _estimate(values[0], reach, 2 * stdtr(df, -abs(values[0]) / se), se, df)


def _estimate(value: float, reach: float, p: float, se: float, df: float) -> Estimate:
    value, reach, p, se, df = map(float, (value, reach, p, se, df))
    smallest_effect = detectable(se, df, 1)
    return Estimate(
        estimate=value,
        low=value - reach,
        high=value + reach,
        se=se,
        df=df,
        p=p,
        p_adjusted=p,
        detectable=smallest_effect,
        simultaneous=Bounds(value - reach, value + reach),
    )


def _squares(runs: np.ndarray) -> tuple[float, float]:
    """Return the sum of squares between the runs, and the part of it due to these images."""
    observed, replicates = (part - part.mean(axis=0) for part in (runs[:, 0], runs[:, 1:]))
    replicates = replicates[:, np.isfinite(replicates).all(axis=0)]
    return float((observed**2).sum()), float(replicates.var(axis=1, ddof=1).sum())
