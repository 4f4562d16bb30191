"""Effects paired by seed: the unit is the difference of two runs that share a seed.

Runs with one seed see the same images in the same order, and differ far less than runs with
different seeds. The bootstrap, the seeds and, with several of them, the bases each contribute to
the variance of the mean difference; :mod:`.variance` says how they are estimated.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from .variance import Parts, added, own_error, usable_runs, variance_parts

LEVEL = 0.95
"""Confidence level of the intervals; tests use ``1 - LEVEL``."""


@dataclass(frozen=True)
class Variance:
    """Parts of the variance of a mean difference.

    Attributes:
        images: Bootstrap variance over the test images.
        seeds: What the seeds add, beyond what is in ``images``.
        bases: What the bases add; 0 with one base.
        luck: The part of ``images`` that more runs average out: each run's luck with the images.
    """

    images: float
    seeds: float
    bases: float
    luck: float

    @property
    def total(self) -> float:
        return self.images + self.seeds + self.bases


@dataclass(frozen=True)
class PairedEffect:
    """Mean difference between an arm and the baseline, with its pointwise 95 % interval.

    Attributes:
        estimate: The mean difference.
        low: Lower end of the interval.
        high: Upper end.
        p: Two-sided p value against 0, consistent with the interval.
        se: Standard error.
        df: Effective degrees of freedom.
        variance: Parts of ``se ** 2``.
        n_seeds: Seeds with a run of the arm and of the baseline.
        n_bases: Bases that the runs started from.
    """

    estimate: float
    low: float
    high: float
    p: float
    se: float
    df: float
    variance: Variance
    n_seeds: int
    n_bases: int

    @property
    def one_training_each(self) -> bool:
        """Whether only two trainings are compared, which says nothing about the method.

        The interval then holds the noise of the test images and not that of training.
        """
        return self.n_seeds * self.n_bases == 1


def pair_runs(
    arm: Mapping[tuple[Hashable, Hashable], np.ndarray],
    baseline: Mapping[tuple[Hashable, Hashable], np.ndarray],
) -> np.ndarray:
    """Return the differences between an arm's runs and the baseline's, paired by base and seed.

    Args:
        arm: By base and seed, a metric of the run, ``(1 + B,)``: observed, then replicates. The
            replicates of all runs resample the same images.
        baseline: Likewise.

    Returns:
        ``(L, K, 1 + B)`` over the bases and seeds of the baseline, in order of appearance. Where
        one of the two runs is missing, there is a row of NaN; runs of the arm alone are left out.

    Example:
        >>> runs = {(0, seed): np.array([0.3, 0.29, 0.31]) for seed in (1, 2)}
        >>> pair_runs(runs, runs).shape
        (1, 2, 3)
    """
    bases = list(dict.fromkeys(base for base, _ in baseline))
    seeds = list(dict.fromkeys(seed for _, seed in baseline))
    length = len(next(iter(baseline.values()))) if baseline else 1
    differences = np.full((len(bases), len(seeds), length), np.nan)
    for (base, seed), run in baseline.items():
        if (base, seed) in arm:
            differences[bases.index(base), seeds.index(seed)] = arm[base, seed] - run
    return differences


def paired_effect(differences: np.ndarray, n_units: int) -> Optional[PairedEffect]:
    """Estimate the mean difference between an arm and the baseline.

    Args:
        differences: ``(K, 1 + B)`` of K seeds: the observed difference, then its bootstrap
            replicates; or ``(L, K, 1 + B)`` of L bases crossed with K seeds. A missing run is a
            row of NaN; seeds that miss a base are left out.
        n_units: Number of images that the metric rests on, or of the groups of images that are
            resampled together.

    Returns:
        ``None`` without any paired run, or when the metric is undefined, or in more than a tenth
        of the replicates.

    Example:
        >>> differences = np.repeat([[0.010], [0.012], [0.011]], 101, axis=1)
        >>> effect = paired_effect(differences, 200)
        >>> round(effect.estimate, 3), round(effect.df, 1)
        (0.011, 2.0)
    """
    runs = np.asarray(differences, float)
    usable = usable_runs(runs[None] if runs.ndim == 2 else runs)
    return None if usable is None else effect_of(variance_parts(usable[None], n_units))


def effect_of(parts: Parts) -> PairedEffect:
    """Return the effect of a single arm, with the variance of its own runs."""
    (estimate,), ((se,), (df,)) = parts.estimate, own_error(parts, level=LEVEL)
    images, averaged = parts.images[0, 0], 0.0
    for spread in (parts.seeds, parts.bases):
        averaged += spread.luck[0, 0] / spread.n[0]
    variance = Variance(
        images=float(images),
        seeds=float(added(parts.seeds)[0]),
        bases=float(added(parts.bases)[0]),
        luck=float(np.clip(averaged, 0, images)),
    )
    reach = stdtrit(df, (1 + LEVEL) / 2) * se
    return PairedEffect(
        estimate=float(estimate),
        low=float(estimate - reach),
        high=float(estimate + reach),
        p=float(student_p(estimate, se, df)),
        se=float(se),
        df=float(df),
        variance=variance,
        n_seeds=int(parts.seeds.n[0]),
        n_bases=int(parts.bases.n[0]),
    )


def student_p(estimate: ArrayLike, se: ArrayLike, df: ArrayLike) -> np.ndarray:
    """Return two-sided p values of Student's test."""
    return 2 * stdtr(df, -np.abs(t_statistic(estimate, se)))


def t_statistic(estimate: ArrayLike, se: ArrayLike) -> np.ndarray:
    """Return the estimate over its standard error; without an error 0 or infinity."""
    estimate, se = np.broadcast_arrays(estimate, se)
    certain = np.where(estimate == 0, 0.0, np.copysign(np.inf, estimate))
    return np.divide(estimate, se, out=certain, where=se != 0)
