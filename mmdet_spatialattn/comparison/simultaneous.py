"""Many arms against one baseline: intervals and p values that hold for all arms at once.

The declared primary question asks for the effect of every arm on one metric in one scope. Its
intervals are Dunnett's: their critical value is the quantile of the largest ``|t|`` over the arms,
which are correlated because they share the baseline and the test images (:mod:`.max_t`). With few
seeds the variance between them is hardly known arm by arm, so it is pooled over the paired
differences of all arms. Pooling alone is not safe where one arm varies more than the others.
The half-width of an arm's interval is therefore the larger of two:

- Dunnett's critical value times the standard error with the pooled variance,
- Student's critical value times the standard error with the arm's own variance, for a single
  interval at 97 %.

An effect is significant if it is so among all arms, and the arm's own runs do not contradict.

Where the variances of the arms clearly differ (Bartlett's test at 5 %), pooling helps nobody. Then
every arm keeps its own variance, with Bonferroni's intervals and Holm's p values.
"""

from dataclasses import dataclass, replace
from typing import Literal, Optional

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, stdtrit

from .max_t import max_t_p, max_t_quantile
from .paired import LEVEL, PairedEffect, effect_of, student_p, t_statistic
from .variance import (
    Components,
    Parts,
    Spread,
    components_of,
    diagonal,
    effective_df,
    mean_over_arms,
    own_error,
    pooled_df,
    ratio,
    usable_runs,
    variance_parts,
)

HOMOGENEITY_LEVEL = 0.05
"""The variances of the arms are pooled unless Bartlett's test rejects at this level."""

OWN_SHARE = 0.6
"""Share of the family's error rate at which an arm's own runs must agree with the pooled result.

An arm that varies more than the others is held by its own interval only. With the full error rate
there, it and the other arms together are wrong in 6 of 100 families, with this share in 5.
"""

Rule = Literal['pooled', 'own']


@dataclass(frozen=True)
class SimultaneousEffect:
    """The effect of one arm among all that the primary question asks about.

    Attributes:
        raw: The effect with its pointwise interval.
        low: Lower end of the simultaneous interval.
        high: Upper end.
        p_adjusted: Adjusted p value, consistent with the simultaneous interval.
        se: Standard error that the critical value multiplies: pooled, or the arm's own.
        df: Its degrees of freedom.
        components: Variance components that ``se`` consists of, to predict what more runs show.
    """

    raw: PairedEffect
    low: float
    high: float
    p_adjusted: float
    se: float
    df: float
    components: Components


@dataclass(frozen=True)
class ManyToOne:
    """Simultaneous effects of all arms.

    Attributes:
        arms: In the order given; ``None`` where an arm has no estimate.
        level: Confidence level of the simultaneous intervals.
        n_arms: Number of arms that the intervals account for.
        rule: ``'pooled'``, or ``'own'`` where the variances differ.
        homogeneity: p value of Bartlett's test; NaN with one arm or one seed.
        correlation: Mean correlation between the estimates of two arms.
    """

    arms: tuple[Optional[SimultaneousEffect], ...]
    level: float
    n_arms: int
    rule: Rule
    homogeneity: float
    correlation: float


def many_to_one(
    differences: np.ndarray,
    n_units: int,
    *,
    level: float = LEVEL,
    n_arms: Optional[int] = None,
) -> ManyToOne:
    """Estimate the effects of M arms on one metric, with simultaneous intervals.

    Args:
        differences: ``(M, K, 1 + B)`` or ``(M, L, K, 1 + B)``, as for
            :func:`~mmdet_spatialattn.comparison.paired.paired_effect`. A missing run is a row of
            NaN. The seeds of a column are the same in all arms.
        n_units: Number of images, or groups of images, that are resampled.
        level: Confidence level of the simultaneous intervals.
        n_arms: Number of arms to account for, if more than M: arms of the same question that were
            settled before.
    """
    runs = np.asarray(differences, float)
    runs = runs[:, None] if runs.ndim == 3 else runs
    usable = {arm: used for arm, used in enumerate(map(usable_runs, runs)) if used is not None}
    n_arms = max(n_arms or 0, len(runs))
    if not usable:
        return ManyToOne((None,) * len(runs), level, n_arms, 'pooled', np.nan, 0.0)
    parts = variance_parts(np.stack(list(usable.values())), n_units)
    family = family_of(parts, level=level, n_arms=n_arms)
    p, reach = family.adjusted_p(), family.half_width()
    effects = {}
    for i, arm in enumerate(usable):
        own = components_of(parts.arm(i))
        pooled = replace(components_of(parts), images=own.images)
        effects[arm] = SimultaneousEffect(
            raw=effect_of(parts.arm(i)),
            low=float(parts.estimate[i] - reach[i]),
            high=float(parts.estimate[i] + reach[i]),
            p_adjusted=float(p[i]),
            se=float(family.se[i]),
            df=float(family.df[i]),
            components=pooled if family.pooled else own,
        )
    return ManyToOne(
        arms=tuple(map(effects.get, range(len(runs)))),
        level=level,
        n_arms=n_arms,
        rule='pooled' if family.pooled else 'own',
        homogeneity=float(family.homogeneity),
        correlation=float(family.correlation),
    )


@dataclass(frozen=True)
class Family:
    """Everything that simultaneous intervals of M arms are made of; arrays have leading axes.

    Attributes:
        estimate: ``(..., M)``.
        se: ``(..., M)``: pooled, or each arm's own where the variances differ.
        df: ``(..., M)``, of ``se``.
        own_se: ``(..., M)``.
        own_df: ``(..., M)``.
        pooled: ``(...)``: whether the variances are pooled.
        homogeneity: ``(...)``: p value of Bartlett's test.
        correlation: ``(...)``: mean correlation between the estimates of two arms.
        level: Confidence level of the simultaneous intervals.
        n_arms: Number of arms that they account for.
    """

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    own_se: np.ndarray
    own_df: np.ndarray
    pooled: np.ndarray
    homogeneity: np.ndarray
    correlation: np.ndarray
    level: float
    n_arms: int

    @property
    def _own_share(self) -> float:
        return OWN_SHARE if self.n_arms > 1 else 1.0

    def arm(self, index: int) -> 'Family':
        """Return the family as one of its arms sees it."""
        names = ('estimate', 'se', 'df', 'own_se', 'own_df')
        fields = {name: getattr(self, name)[..., index : index + 1] for name in names}
        return replace(self, **fields)

    def adjusted_p(self, null: ArrayLike = 0.0) -> np.ndarray:
        """Return the adjusted p values, ``(..., M)``, against the effects ``null``."""
        correlation, distance = self.correlation[..., None], self.estimate - null
        t = t_statistic(distance, self.se)
        pooled = max_t_p(t, self.n_arms, correlation=correlation, df=self.df)
        own = student_p(distance, self.own_se, self.own_df) / self._own_share
        alone = holm(student_p(distance, self.se, self.df), n_tests=self.n_arms)
        return np.where(self.pooled[..., None], np.minimum(np.maximum(pooled, own), 1), alone)

    def half_width(self) -> np.ndarray:
        """Return the half-widths of the simultaneous intervals, ``(..., M)``."""
        correlation = self.correlation[..., None]
        quantile = max_t_quantile(self.level, self.n_arms, correlation=correlation, df=self.df)
        outside = self._own_share * (1 - self.level)
        own = stdtrit(self.own_df, 1 - outside / 2) * self.own_se
        together = np.maximum(quantile * self.se, own)
        bonferroni = stdtrit(self.df, 1 - (1 - self.level) / (2 * self.n_arms)) * self.se
        p = holm(student_p(self.estimate, self.se, self.df), n_tests=self.n_arms)
        rejected = p < 1 - self.level
        alone = np.where(rejected, np.minimum(bonferroni, np.abs(self.estimate)), bonferroni)
        return np.where(self.pooled[..., None], together, alone)


def family_of(parts: Parts, *, level: float = LEVEL, n_arms: int) -> Family:
    """Return what simultaneous intervals at a level are made of."""
    homogeneity = np.fmin(bartlett_p(parts.seeds), bartlett_p(parts.bases))
    pooled = ~(homogeneity < HOMOGENEITY_LEVEL)
    own_se, own_df = own_error(parts, level=level)
    se, df, correlation = pooled_error(parts, level=level)
    _, single_df = own_error(parts, level=1 - (1 - level) / n_arms)
    return Family(
        estimate=parts.estimate,
        se=np.where(pooled[..., None], se, own_se),
        df=np.where(pooled[..., None], df, single_df),
        own_se=own_se,
        own_df=own_df,
        pooled=pooled,
        homogeneity=homogeneity,
        correlation=correlation,
        level=level,
        n_arms=n_arms,
    )


def pooled_error(parts: Parts, *, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return standard errors with the variance between units pooled over the arms.

    Returns:
        Standard errors ``(..., M)``, their degrees of freedom ``(..., M)``, and the mean
        correlation between the estimates of two arms, ``(...)``.
    """
    images = variance = diagonal(parts.images)
    covariance, between = parts.images, []
    for spread in (parts.seeds, parts.bases):
        observed, shared = mean_over_arms(spread.observed, spread.n - 1)
        luck, shared_luck = mean_over_arms(spread.luck, spread.n - 1)
        df = pooled_df(spread.n - 1, ratio(shared, observed), level=level)[..., None]
        observed, luck = observed[..., None] / spread.n, luck[..., None] / spread.n
        between.append((observed, luck, df))
        variance = variance + np.maximum(observed - luck, 0)
        added = np.maximum(shared - shared_luck, 0)[..., None, None]
        covariance = covariance + added / np.maximum.outer(spread.n, spread.n)
    df = effective_df(images, between, parts.images_df, level=level)
    se = np.sqrt(variance)
    correlation = ratio(covariance, se[..., :, None] * se[..., None, :])
    n_arms = se.shape[-1]
    beside = correlation.sum((-1, -2)) - np.trace(correlation, axis1=-2, axis2=-1)
    return se, df, beside / max(n_arms * (n_arms - 1), 1)


def bartlett_p(spread: Spread) -> np.ndarray:
    """Return the p value of Bartlett's test that all arms vary alike between units, ``(...)``.

    What the images explain counts as variance, so that a control whose runs agree by construction
    does not differ from arms that agree as far as the images allow. NaN if fewer than two arms
    have two units.
    """
    tested = spread.n > 1
    df = spread.n[tested] - 1.0
    values = diagonal(np.maximum(spread.observed, spread.luck))[..., tested]
    if len(df) < 2:
        return np.full(values.shape[:-1], np.nan)
    values = np.maximum(values, np.maximum(1e-12 * values.max(-1, keepdims=True), 1e-300))
    pooled = (df * values).sum(-1) / df.sum()
    statistic = df.sum() * np.log(pooled) - (df * np.log(values)).sum(-1)
    correction = 1 + ((1 / df).sum() - 1 / df.sum()) / (3 * (len(df) - 1))
    return chdtrc(len(df) - 1, np.maximum(statistic, 0) / correction)


def holm(p: ArrayLike, *, n_tests: Optional[int] = None) -> np.ndarray:
    """Return p values adjusted for their number by Holm's step-down procedure.

    Args:
        p: ``(..., N)``.
        n_tests: Number of tests to account for, if more than N.

    Example:
        >>> holm([0.04, 0.01]).tolist()
        [0.04, 0.02]
    """
    p = np.asarray(p, float)
    order = np.argsort(p, axis=-1)
    factors = max(n_tests or 0, p.shape[-1]) - np.arange(p.shape[-1])
    stepped = np.maximum.accumulate(factors * np.take_along_axis(p, order, -1), axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1), axis=-1)
    return adjusted


def gatekeep(p_adjusted: np.ndarray) -> np.ndarray:
    """Return p values of questions that are asked one behind the other, arm by arm.

    An arm's further question is open only while all before it were significant; then it costs
    nothing. The order must be fixed before the runs.

    Args:
        p_adjusted: ``(Q, M)`` of Q questions and M arms: each question's p values, adjusted for
            the M arms, the primary question first.

    Returns:
        ``(Q, M)``, each at least as large as that of the questions before.

    Example:
        >>> gatekeep([[0.01, 0.2], [0.03, 0.001]]).tolist()
        [[0.01, 0.2], [0.03, 0.2]]
    """
    return np.maximum.accumulate(np.asarray(p_adjusted, float), axis=0)
