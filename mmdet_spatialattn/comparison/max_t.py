"""Distribution of the largest of several equally correlated Student's t statistics.

Every arm of a comparison is compared with the same baseline. The test statistics ``T_1 .. T_m`` of
such a many-to-one comparison share the baseline and, if pooled, the estimate of the variance: they
follow a multivariate t distribution, and simultaneous intervals need the quantile of ``max |T_a|``
(Dunnett 1955). With one correlation ``r`` between any two statistics,

    T_a = (sqrt(r) Z_0 + sqrt(1 - r) Z_a) / S,    S^2 ~ chi^2_df / df,

so two integrals, over ``Z_0`` and over ``log S``, give the probability. Both integrands are smooth
and decay fast at both ends, where the trapezoidal rule is accurate to many digits.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline
from scipy.special import ndtr, stdtr, stdtrit

MAX_DF = 1e8
"""More degrees of freedom are as good as infinitely many."""

MAX_CORRELATION = 0.95

_STEPS = 7  # each takes off at least nine tenths of the error that is left

_FAR = 8.0  # beyond, a normal probability is 0 for every purpose

_FACTOR = np.linspace(0, 8, 65)  # the integrand is even
_FACTOR_WEIGHTS = np.exp(-(_FACTOR**2) / 2) * np.where(_FACTOR == 0, 1, 2)
_FACTOR_WEIGHTS /= _FACTOR_WEIGHTS.sum()


def max_t_p(
    t: ArrayLike, n_arms: int, *, correlation: ArrayLike = 0.5, df: ArrayLike = MAX_DF
) -> np.ndarray:
    """Return the probability that the largest of ``n_arms`` statistics ``|T_a|`` exceeds ``|t|``.

    Args:
        t: Any shape; ``correlation`` and ``df`` broadcast with it.
        n_arms: Number of statistics.
        correlation: Between any two of them, 0 to 0.95; rounded to two digits.
        df: Degrees of freedom, at least 1.

    Example:
        >>> round(float(max_t_p(2.58, 5, df=60)), 3)
        0.05
    """
    t, df, correlation = np.broadcast_arrays(np.abs(t), np.minimum(df, MAX_DF), correlation)
    scale, weights = _scale_nodes(df)
    return (_largest_exceeds(t[..., None] * scale, n_arms, correlation) * weights).sum(-1)


def max_t_quantile(
    level: float, n_arms: int, *, correlation: ArrayLike = 0.5, df: ArrayLike = MAX_DF
) -> np.ndarray:
    """Return what ``max |T_a|`` stays below with probability ``level``; see :func:`max_t_p`.

    Example:
        >>> round(float(max_t_quantile(0.95, 5, df=60)), 2)
        2.58
    """
    df, correlation = np.broadcast_arrays(np.minimum(df, MAX_DF), correlation)
    scale, weights = _scale_nodes(df)
    quantile = stdtrit(df, 1 - (1 - level) / (2 * n_arms))  # Bonferroni's
    for _ in range(_STEPS if n_arms > 1 else 0):
        exceeds = _largest_exceeds(quantile[..., None] * scale, n_arms, correlation)
        # So many independent tests are as likely to exceed it; that number hardly changes with it.
        n_tests = (exceeds * weights).sum(-1) / (2 * stdtr(df, -quantile))
        quantile = stdtrit(df, 1 - (1 - level) / (2 * n_tests))
    return quantile


def _scale_nodes(df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes of ``S`` and their weights, each ``(..., 80)``."""
    df = np.asarray(df, float)[..., None]
    spread = 9 / np.sqrt(2 * df)
    low, high = -spread - 14 / df, np.log1p(spread)
    log_scale = low + (high - low) * np.linspace(0, 1, 80)
    log_density = df * (log_scale - np.exp(2 * log_scale) / 2 + 0.5)
    weights = np.exp(log_density)
    return np.exp(log_scale), weights / weights.sum(-1, keepdims=True)


def _largest_exceeds(z: np.ndarray, n_arms: int, correlation: np.ndarray) -> np.ndarray:
    """Return the probability that the largest of equally correlated normal ``|Z_a|`` exceeds z."""
    if n_arms == 1:
        return 2 * ndtr(-z)
    rounded = np.broadcast_to(np.round(np.clip(correlation, 0, MAX_CORRELATION), 2), z.shape[:-1])
    exceeds = np.empty(z.shape)
    for value in np.unique(rounded):
        here = rounded == value
        log_tail = _log_tail(n_arms, float(value))
        exceeds[here] = np.exp(np.minimum(log_tail(np.minimum(z[here], _FAR)), 0))
    return exceeds * (z <= _FAR)


@lru_cache(maxsize=256)
def _log_tail(n_arms: int, correlation: float) -> CubicSpline:
    """Return the logarithm of the probability as a function of ``z`` in 0 .. 8."""
    z = np.linspace(0, _FAR, 321)
    shift, own = np.sqrt(correlation) * _FACTOR, np.sqrt(1 - correlation)
    outside = ndtr((shift - z[:, None]) / own) + ndtr((-shift - z[:, None]) / own)
    with np.errstate(divide='ignore'):
        exceeds = -np.expm1(n_arms * np.log1p(-np.minimum(outside, 1))) @ _FACTOR_WEIGHTS
    return CubicSpline(z, np.log(exceeds))
