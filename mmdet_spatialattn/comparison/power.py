"""What a comparison can see, from the variance components of a pilot.

The smallest effect that is found four times in five depends on the number of seeds, of test images
and of arms. It is computed for the test that is used (:mod:`.simultaneous`): the estimated
variances, and with them the widths of the intervals, are drawn at random as the components say, and
the chance that the estimate falls outside is averaged over the draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Callable, Optional

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from ..errors import UserError
from .max_t import MAX_CORRELATION
from .paired import LEVEL
from .simultaneous import family_of, mean_over_arms
from .variance import Parts, Spread, own_error, unit_covariances, usable_runs, variance_parts

POWER = 0.8
"""Chance with which an effect of the smallest detectable size is found."""

N_DRAWS = 1000
"""Draws of the estimated variances; the detectable effect is then exact to about 1 %."""


@dataclass(frozen=True)
class UnitComponents:
    """Variance of the difference between an arm and the baseline, between seeds or between bases.

    A variance is one number for all arms, or ``(M,)``.

    Attributes:
        variance: Beyond what the images explain: seed and seed x arm together.
        luck: What the images explain: the luck of single runs with the test images.
        correlation: Between the differences of two arms for the same unit. The correlated part is
            the unit's, the rest is that of unit x arm.
    """

    variance: ArrayLike
    luck: ArrayLike
    correlation: float


@dataclass(frozen=True)
class Components:
    """Variance components of a plan, averaged over its arms.

    Attributes:
        images: Variance of an effect over test sets of ``n_units`` images, whatever the seeds; one
            number for all arms, or ``(M,)``.
        image_correlation: Between the effects of two arms.
        n_units: Number of images, or groups of images.
        seeds: Of a single seed.
        bases: Of a single base; 0 if the pilot has one.
    """

    images: ArrayLike
    image_correlation: float
    n_units: int
    seeds: UnitComponents
    bases: UnitComponents


def variance_components(differences: np.ndarray, n_units: int) -> Components:
    """Estimate the variance components from a pilot.

    Args:
        differences: ``(M, K, 1 + B)`` or ``(M, L, K, 1 + B)``, as for
            :func:`~mmdet_spatialattn.comparison.simultaneous.many_to_one`.
        n_units: Number of images, or groups of images, that are resampled.

    Raises:
        UserError: No arm has two seeds, or the metric is undefined.
    """
    runs = np.asarray(differences, float)
    runs = runs[:, None] if runs.ndim == 3 else runs
    usable = [used for used in map(usable_runs, runs) if used is not None]
    if not usable:
        raise UserError('the pilot has no paired run with a defined metric; finish two seeds first')
    parts = variance_parts(np.stack(usable), n_units)
    if parts.seeds.n.max() < 2:
        raise UserError(
            'the pilot has one seed per arm, which says nothing about the noise of training; '
            'run it with at least two seeds, better three'
        )
    return components_of(parts, n_units)


def components_of(parts: Parts, n_units: int) -> Components:
    """Return the components that estimates of M arms rest on, averaged over the arms."""
    luck = sum(
        spread.luck / np.maximum.outer(spread.n, spread.n) for spread in (parts.seeds, parts.bases)
    )
    images = parts.images - luck
    mean, shared = mean_over_arms(images, np.ones(len(images)))
    mean = max(float(mean), 0.0)
    return Components(
        images=mean,
        image_correlation=_correlation(shared, mean),
        n_units=n_units,
        seeds=_unit_components(parts.seeds),
        bases=_unit_components(parts.bases),
    )


def _unit_components(spread: Spread) -> UnitComponents:
    observed, shared = mean_over_arms(spread.observed, spread.n - 1)
    luck, _ = mean_over_arms(spread.luck, spread.n - 1)
    luck = max(float(luck), 0.0)
    variance = max(float(observed) - luck, 0.0)
    return UnitComponents(variance, luck, _correlation(shared, variance + luck))


def _correlation(shared: np.ndarray, variance: float) -> float:
    return float(np.clip(shared / variance, 0, MAX_CORRELATION)) if variance else 0.0


@dataclass(frozen=True)
class Design:
    """The size of a comparison.

    Attributes:
        seeds: Per base.
        n_arms: Compared with the baseline at once; 1 for a pointwise interval.
        n_units: Number of images, or groups of images; that of the pilot by default.
        bases: That all arms start from, with every seed.
        level: Confidence level of the simultaneous intervals.
    """

    seeds: int
    n_arms: int = 1
    n_units: Optional[int] = None
    bases: int = 1
    level: float = LEVEL


def detectable(components: Components, design: Design, *, power: float = POWER) -> float:
    """Return the smallest effect of the first arm that is significant with a chance of ``power``.

    Raises:
        UserError: One seed and one base, which cannot tell anything about a method.
    """
    reach, se = _half_widths(components, design), _standard_error(components, design)
    low, high = 0.0, float(reach.max()) + 5 * se
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _chance(middle, reach, se) >= power else (middle, high)
    return high


def power_of(components: Components, design: Design, effect: float) -> float:
    """Return the chance that the first arm is significant if it has this effect."""
    return _chance(effect, _half_widths(components, design), _standard_error(components, design))


def _chance(effect: float, reach: np.ndarray, se: float) -> float:
    if se == 0:
        return float(effect > 0)
    return float(np.mean(ndtr((effect - reach) / se) + ndtr((-effect - reach) / se)))


def power_curve(
    components: Components, design: Design, seeds: Sequence[int], *, power: float = POWER
) -> dict[int, float]:
    """Return the smallest detectable effect by number of seeds."""
    return {n: detectable(components, replace(design, seeds=n), power=power) for n in seeds}


def seeds_needed(
    components: Components,
    design: Design,
    effect: float,
    *,
    power: float = POWER,
    max_seeds: int = 200,
) -> Optional[int]:
    """Return the fewest seeds, two at least, with which an effect is found with this chance.

    Returns:
        ``None`` if ``max_seeds`` do not suffice; then more test images are needed
        (:func:`units_needed`).
    """
    return _fewest(
        lambda n: detectable(components, replace(design, seeds=n), power=power) <= effect,
        2,
        max_seeds,
    )


def units_needed(
    components: Components,
    design: Design,
    effect: float,
    *,
    power: float = POWER,
    max_units: int = 1_000_000,
) -> Optional[int]:
    """Return the fewest images, or groups of them, with which an effect is found; else ``None``."""
    return _fewest(
        lambda n: detectable(components, replace(design, n_units=n), power=power) <= effect,
        2,
        max_units,
    )


def half_width(components: Components, design: Design) -> float:
    """Return the half-width of a simultaneous interval that is to be expected."""
    return float(_half_widths(components, design, n_draws=0))


def seeds_for_width(
    components: Components, design: Design, width: float, *, max_seeds: int = 200
) -> Optional[int]:
    """Return the fewest seeds, two at least, with which a half-width below ``width`` is expected.

    Equivalence within ``width`` cannot be shown before. ``None`` if ``max_seeds`` do not suffice.
    """
    return _fewest(lambda n: half_width(components, replace(design, seeds=n)) < width, 2, max_seeds)


def _fewest(suffices: Callable[[int], bool], low: int, high: int) -> Optional[int]:
    """Return the smallest number for which ``suffices`` holds, as it does for all above."""
    if not suffices(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle + 1, high)
    return low


def _standard_error(components: Components, design: Design) -> float:
    """Return the true standard error of the effect of the first arm."""
    parts = _simulated_parts(components, design, n_draws=0)
    return float(own_error(parts, level=design.level)[0][0])


def _half_widths(components: Components, design: Design, n_draws: int = N_DRAWS) -> np.ndarray:
    """Return half-widths of an arm's interval, ``(n_draws,)``; without draws what to expect."""
    if design.seeds * design.bases < 2:
        raise UserError(
            'one seed says nothing about a method; ask for the power of at least two seeds'
        )
    parts = _simulated_parts(components, design, n_draws)
    family = family_of(parts, level=design.level, n_arms=design.n_arms)
    return family.arm(0).half_width()[..., 0]


def _simulated_parts(components: Components, design: Design, n_draws: int) -> Parts:
    """Return estimates as a comparison of this design makes them, ``n_draws`` times.

    Without draws the observed spreads are the true ones.
    """
    n_units = design.n_units or components.n_units
    scale = components.n_units / n_units
    images = _compound(components.images * scale, components.image_correlation, design.n_arms)
    rng, spreads = np.random.default_rng(0), []
    for unit, n in ((components.seeds, design.seeds), (components.bases, design.bases)):
        luck = _compound(unit.luck * scale, unit.correlation, design.n_arms)
        images = images + luck / n
        observed = _compound(unit.variance + unit.luck * scale, unit.correlation, design.n_arms)
        if n_draws:
            root = np.linalg.cholesky(observed + 1e-300 * np.eye(design.n_arms))
            units = root @ rng.normal(size=(n_draws, design.n_arms, n))
            present = np.ones((design.n_arms, 1, n), bool)
            observed, _ = unit_covariances(units[:, :, None], present)
        spreads.append(Spread(observed, luck, np.full(design.n_arms, n)))
    estimate = np.zeros((*observed.shape[:-2], design.n_arms))
    return Parts(estimate, images, *spreads, images_df=n_units - 1)


def _compound(variance: ArrayLike, correlation: float, n_arms: int) -> np.ndarray:
    """Return a covariance matrix with these variances and one correlation."""
    sd = np.sqrt(np.broadcast_to(variance, n_arms))
    return np.outer(sd, sd) * (correlation + (1 - correlation) * np.eye(n_arms))
