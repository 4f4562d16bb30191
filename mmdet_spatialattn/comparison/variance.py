"""Variance of a mean difference between paired runs, split by where it comes from.

A difference ``D[b, k]`` compares an arm with the baseline on the same test images, both trained
from base ``b`` with seed ``k``. Its mean over bases and seeds varies because

- other images could have been in the test set. The bootstrap, with the same resampled images for
  all runs, measures this: ``I``. The factor ``n / (n - 1)`` is there because a resample of ``n``
  images varies too little (Hesterberg 2015, What Teachers Should Know About the Bootstrap).
- other seeds could have been drawn, and other bases. The variances between them measure this.
  A part of these is the luck of single runs with just these images. The bootstrap sees that part
  too, so it is taken off once, or it would count twice.

With one base, ``K`` seeds and ``s^2`` the variance between the differences, the sum is

    V = I + max(s^2 - luck, 0) / K

and never less than ``I``, however well the seeds agree. Several bases are crossed with the seeds;
then both add a part, from the two-way analysis of variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional, Union

import numpy as np
from scipy.special import chdtri

Array = Union[float, np.ndarray]

DEFINED = 0.9
"""Share of the replicates that must be defined, or there is no estimate."""

SHARED_BASELINE = 0.5
"""Correlation of two arms' differences if all runs, the baseline's too, vary alike."""


@dataclass(frozen=True)
class Spread:
    """Covariance of the arms' differences between units of one kind: bases or seeds.

    Attributes:
        observed: ``(..., M, M)``, of a single unit, luck included.
        luck: ``(..., M, M)``: the part of ``observed`` that the bootstrap over images explains.
        n: ``(M,)``, number of units of every arm.
    """

    observed: np.ndarray
    luck: np.ndarray
    n: np.ndarray

    def arm(self, index: int) -> 'Spread':
        """Return the spread of one arm, with M = 1."""
        count = self.n[index : index + 1]
        return Spread(_block(self.observed, index), _block(self.luck, index), count)


@dataclass(frozen=True)
class Parts:
    """Mean differences of M arms, and the parts of their variance.

    Simulations add leading axes, one entry per trial.

    Attributes:
        estimate: ``(..., M)``.
        images: ``(..., M, M)``, covariance of the estimates over the test images.
        seeds: Spread between seeds, of means over bases, less what single runs contribute to it.
        bases: Spread between bases, of means over seeds.
        n_units: Number of images, or groups of images, that the bootstrap resamples.
        images_df: Degrees of freedom of ``images``, few if the images or the replicates are few.
    """

    estimate: np.ndarray
    images: np.ndarray
    seeds: Spread
    bases: Spread
    n_units: int
    images_df: float

    def arm(self, index: int) -> 'Parts':
        """Return the parts of one arm, with M = 1."""
        return replace(
            self,
            estimate=self.estimate[..., index : index + 1],
            images=_block(self.images, index),
            seeds=self.seeds.arm(index),
            bases=self.bases.arm(index),
        )


def _block(matrices: np.ndarray, index: int) -> np.ndarray:
    return matrices[..., index : index + 1, index : index + 1]


def usable_runs(differences: np.ndarray) -> Optional[np.ndarray]:
    """Return the differences of one arm without the seeds that miss a base.

    Args:
        differences: ``(L, K, 1 + B)`` of L bases and K seeds: the observed value, then bootstrap
            replicates. A missing run is a row of NaN.

    Returns:
        The same shape, with whole seeds and whole bases missing; ``None`` if no run is left, or the
        mean is undefined, or is undefined in more than a tenth of the replicates.
    """
    present = ~np.isnan(differences).all(axis=-1)
    bases = present.any(axis=1)
    seeds = present[bases].all(axis=0)
    if not bases.any() or not seeds.any():
        return None
    used = bases[:, None] & seeds
    mean = differences[used].mean(axis=0)
    replicates = np.isfinite(mean[1:])
    if not np.isfinite(mean[0]) or replicates.sum() < max(DEFINED * replicates.size, 2):
        return None
    return np.where(used[..., None], differences, np.nan)


def variance_parts(differences: np.ndarray, n_units: int) -> Parts:
    """Estimate the mean differences of M arms and the parts of their variance.

    Args:
        differences: ``(..., M, L, K, 1 + B)``, each arm as :func:`usable_runs` returns it.
        n_units: Number of images, or groups of images, that the bootstrap resamples.
    """
    leading = tuple(range(differences.ndim - 4))
    present = ~np.isnan(differences).all(axis=(-1, *leading))
    values = np.where(present[..., None], differences, 0.0)
    replicates = values[..., 1:]
    defined = np.isfinite(replicates).all(axis=tuple(range(values.ndim - 1)))
    replicates = replicates if defined.all() else replicates[..., defined]
    replicates = replicates - replicates.mean(axis=-1, keepdims=True)
    n, n_boot = max(n_units, 2), replicates.shape[-1]
    scale = n / (n - 1) / (n_boot - 1)
    n_runs = present.sum((1, 2))
    means = replicates.sum((-2, -3)) / n_runs[:, None]  # (..., M, B)
    counts = present.any(axis=1).sum(axis=1), present.any(axis=2).sum(axis=1)
    observed = unit_covariances(values[..., :1], present)
    luck = (scale * matrix for matrix in unit_covariances(replicates, present))
    seeds, bases = (Spread(*fields) for fields in zip(observed, luck, counts))
    return Parts(
        estimate=values[..., 0].sum((-1, -2)) / n_runs,
        images=scale * means @ np.swapaxes(means, -1, -2),
        seeds=seeds,
        bases=bases,
        n_units=n_units,
        images_df=1 / (1 / (n - 1) + 1 / (n_boot - 1)),
    )


def unit_covariances(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariances of M arms between seeds and between bases.

    Args:
        values: ``(..., M, L, K, R)``, 0 where a run is missing. The covariances of R replicates are
            added up.
        present: ``(M, L, K)``, true where a run is not missing; whole bases and seeds of an arm.

    Returns:
        Two matrices ``(..., M, M)`` such that the variance of the grand mean over K seeds and L
        bases is ``first / K + second / L``. The second is the covariance between base means; the
        first that between seed means, less what single runs contribute to it if there are several
        bases. A matrix is 0 where there is only one unit.
    """
    has_seed, has_base = np.any(present, axis=1), np.any(present, axis=2)
    n_seeds, n_bases = has_seed.sum(axis=1), has_base.sum(axis=1)
    by_seed = _centre(values.sum(axis=-3) / n_bases[:, None, None], has_seed)
    by_base = _centre(values.sum(axis=-2) / n_seeds[:, None, None], has_base)
    seeds, bases = _products(by_seed, n_seeds - 1), _products(by_base, n_bases - 1)
    df = (n_seeds - 1) * (n_bases - 1)
    if df.any():
        mean = values.sum(axis=(-2, -3), keepdims=True) / (n_bases * n_seeds)[:, None, None, None]
        rest = values - mean - by_base[..., None, :] - by_seed[..., None, :, :]
        rest = np.where(present[..., None], rest, 0.0).reshape(*by_seed.shape[:-2], -1, 1)
        seeds = seeds - _products(rest, df) / np.minimum.outer(n_bases, n_bases)
    return seeds, bases


def _centre(units: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Take the mean over the units off ``(..., M, N, R)``."""
    present = present[..., None]
    mean = np.where(present, units, 0.0).sum(axis=-2, keepdims=True)
    return np.where(present, units - mean / present.sum(axis=-2, keepdims=True), 0.0)


def _products(residuals: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Return the covariances of ``(..., M, N, R)`` residuals with ``(M,)`` degrees of freedom.

    Two arms have the fewer degrees of freedom of the two in common, if the seeds of one are among
    those of the other.
    """
    residuals = residuals.reshape(*residuals.shape[:-2], -1)
    return residuals @ np.swapaxes(residuals, -1, -2) / np.maximum(np.minimum.outer(df, df), 1)


def added(spread: Spread) -> np.ndarray:
    """Return what units of one kind add to the variance of the arms' means, ``(..., M)``."""
    return np.maximum(diagonal(spread.observed) - diagonal(spread.luck), 0) / spread.n


def own_error(parts: Parts, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return each arm's standard error from its own runs, and its degrees of freedom, ``(..., M)``.

    The degrees of freedom are those for an interval at the confidence level.
    """
    images, spreads = diagonal(parts.images), (parts.seeds, parts.bases)
    between = [(diagonal(s.observed) / s.n, diagonal(s.luck) / s.n, s.n - 1) for s in spreads]
    df = effective_df(images, between, parts.images_df, level=level)
    return np.sqrt(images + sum(map(added, spreads))), df


def effective_df(
    images: np.ndarray,
    between: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    images_df: float,
    *,
    level: float,
) -> np.ndarray:
    r"""Return the degrees of freedom of a variance that is a sum of estimated parts.

    Satterthwaite's formula, with the parts between seeds and between bases at the upper end of
    their confidence interval,

    .. math:: df = (I + \sum U_j)^2 / (I^2 / df_I + \sum U_j^2 / df_j),
        U_j = \max(h(df_j) s_j^2 - luck_j, 0),

    where ``h`` is :func:`upper_factor`. Plain Satterthwaite (``h = 1``) fails with few seeds: where
    they agree by luck, the variance is small and the degrees of freedom are many at the same time.
    ``K - 1`` degrees of freedom are safe, but the intervals are several times too wide where the
    images dominate. The calibration table has all three.

    Args:
        images: Variance over the images, any shape.
        between: Per kind of unit, the observed variance of the mean, the part of it that
            ``images`` holds too, and its degrees of freedom.
        images_df: Its degrees of freedom.
        level: Confidence level of the interval.
    """
    total, squares = images, images**2 / images_df
    for observed, luck, df in between:
        upper = np.maximum(observed * upper_factor(df, level=level) - luck, 0)
        total, squares = total + upper, squares + upper**2 / np.maximum(df, 1)
    return np.where(squares > 0, ratio(total**2, squares), np.inf)


def upper_factor(df: Array, *, level: float) -> np.ndarray:
    """Return the factor from an estimated variance to the upper end of its confidence interval.

    The interval is one-sided and misses the variance with probability 0.22. For intervals of the
    mean at a higher level than 95 %, that probability falls like the error rate to the power of
    0.7. Both numbers were chosen by the calibration table.
    """
    missed = min(0.22 * ((1 - level) / 0.05) ** 0.7, 0.5)
    df = np.maximum(df, 1)
    return df / chdtri(df, 1 - missed)


def pooled_df(df: np.ndarray, correlation: np.ndarray, *, level: float) -> np.ndarray:
    """Return the degrees of freedom of a variance that is pooled over correlated arms.

    Arms that share a baseline are not independent: pooling over many of them multiplies the
    degrees of freedom by at most 4, not by their number.

    Args:
        df: ``(M,)``, of every arm.
        correlation: Estimated between the differences of two arms, any shape. It counts with the
            upper end of its confidence interval, and with :data:`SHARED_BASELINE` at least.
        level: Confidence level of the interval.

    Example:
        >>> round(float(pooled_df(np.full(6, 2), 0.0, level=0.95)), 2)
        5.33
    """
    shared = np.clip(correlation, 0, 1) * upper_factor(df.max(), level=level)
    correlation = np.maximum(shared / (shared + 1 - np.clip(correlation, 0, 1)), SHARED_BASELINE)
    common = np.minimum.outer(df, df)
    beside = common.sum() - np.trace(common)
    return df.sum() ** 2 / np.maximum(df.sum() + correlation**2 * beside, 1)


@dataclass(frozen=True)
class UnitComponents:
    """Variance of the difference between an arm and the baseline, between seeds or between bases.

    A variance is one number for all arms, or ``(M,)``.

    Attributes:
        variance: Beyond what the images explain: unit and unit x arm together.
        luck: What the images explain: the luck of single runs with the test images.
        shared: Covariance of two arms' differences for the same unit. It is the component of the
            unit, the rest of ``variance + luck`` is that of unit x arm.
    """

    variance: Array
    luck: Array
    shared: float


@dataclass(frozen=True)
class Components:
    """Variance components of a plan, averaged over its arms.

    Attributes:
        images: Variance of an effect over test sets of ``n_units`` images, whatever the seeds; one
            number for all arms, or ``(M,)``.
        images_shared: Covariance of the effects of two arms over test sets.
        n_units: Number of images, or groups of images.
        seeds: Of a single seed.
        bases: Of a single base; 0 if the pilot has one.
    """

    images: Array
    images_shared: float
    n_units: int
    seeds: UnitComponents
    bases: UnitComponents


def components_of(parts: Parts) -> Components:
    """Return the variance components that estimates of M arms rest on, averaged over the arms."""
    spreads = parts.seeds, parts.bases
    averaged = sum(spread.luck / np.maximum.outer(spread.n, spread.n) for spread in spreads)
    images, shared = mean_over_arms(parts.images - averaged, np.ones(len(parts.images)))
    images = np.maximum(images, 0)
    seeds, bases = map(_unit_components, spreads)
    return Components(float(images), float(np.clip(shared, 0, images)), parts.n_units, seeds, bases)


def _unit_components(spread: Spread) -> UnitComponents:
    observed, shared = mean_over_arms(spread.observed, spread.n - 1)
    luck = np.maximum(mean_over_arms(spread.luck, spread.n - 1)[0], 0)
    total = np.maximum(observed, luck)
    return UnitComponents(float(total - luck), float(luck), float(np.clip(shared, 0, total)))


def mean_over_arms(matrix: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean variance of the arms and the mean covariance of two, weighted by df."""
    pairs = np.minimum.outer(df, df) * (1 - np.eye(len(df)))
    variance = (diagonal(matrix) * df).sum(-1) / max(df.sum(), 1)
    return variance, (matrix * pairs).sum((-1, -2)) / max(pairs.sum(), 1)


def diagonal(matrices: np.ndarray) -> np.ndarray:
    """Return the diagonals of ``(..., M, M)``."""
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def ratio(numerator: Array, denominator: Array) -> np.ndarray:
    """Return the ratio, and 0 where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator != 0)
