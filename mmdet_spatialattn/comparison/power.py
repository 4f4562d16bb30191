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
from scipy.special import ndtr

from ..errors import UserError
from ..results import Power, Question
from ..results.power import UnitVariance
from .paired import LEVEL
from .simultaneous import SimultaneousEffect, family_of
from .variance import (
    Array,
    Components,
    Parts,
    Spread,
    UnitComponents,
    components_of,
    own_error,
    unit_covariances,
    usable_runs,
    variance_parts,
)

POWER = 0.8
"""Chance with which an effect of the smallest detectable size is found."""

SEEDS = (2, 3, 5, 8, 12, 20)
"""Numbers of seeds of a power curve."""

N_DRAWS = 2000
"""Draws of the estimated variances: detectable effects are exact to 2 %, with two seeds to 4 %."""


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
    return components_of(parts)


def power_of_pilot(
    question: Question, differences: np.ndarray, n_units: int, *, level: float = LEVEL
) -> Power:
    """Return what a comparison with the variances of a pilot could see.

    Args:
        question: What is asked of every arm.
        differences: ``(M, L, K, 1 + B)``, as for :func:`variance_components`.
        n_units: Number of images, or groups of images, that are resampled.
        level: Confidence level over all arms.

    Raises:
        UserError: As :func:`variance_components`.
    """
    components = variance_components(differences, n_units)
    n_bases = int((~np.isnan(differences).all(axis=(0, 2, 3))).sum())
    design = Design(SEEDS[0], len(differences), bases=n_bases, level=level)
    return Power(
        metric=question.metric,
        scope=question.scope,
        n_arms=len(differences),
        n_units=n_units,
        level=level,
        images=float(components.images),
        images_shared=float(components.images_shared),
        seeds=_unit_variance(components.seeds),
        bases=_unit_variance(components.bases),
        n_bases=n_bases,
        curve=tuple(power_curve(components, design, SEEDS).items()),
    )


def stored_components(power: Power) -> Components:
    """Return the variance components of a stored result."""
    seeds, bases = (
        UnitComponents(unit.variance, unit.luck, unit.shared) for unit in (power.seeds, power.bases)
    )
    return Components(power.images, power.images_shared, power.n_units, seeds, bases)


def _unit_variance(unit: UnitComponents) -> UnitVariance:
    return UnitVariance(float(unit.variance), float(unit.luck), float(unit.shared))


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


def more_seeds(
    effect: SimultaneousEffect, *, n_arms: int, delta: float, level: float = LEVEL
) -> Optional[int]:
    """Return about how many more seeds would settle an effect, if its estimate stays as it is.

    Settled is an effect whose simultaneous interval excludes 0, or lies within ``-delta`` to
    ``delta``.

    Returns:
        ``None`` if 200 seeds would not do, because there are too few test images; or if there is
        only one training each, so that nothing is known of the noise of training.
    """
    raw = effect.raw
    if raw.one_training_each:
        return None
    design = Design(raw.n_seeds, n_arms, bases=raw.n_bases, level=level)
    width = max(abs(raw.estimate), delta - abs(raw.estimate))
    needed = seeds_for_width(effect.components, design, width)
    return None if needed is None else max(needed - raw.n_seeds, 1)


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
    n_units, n_arms = design.n_units or components.n_units, design.n_arms
    scale = components.n_units / n_units
    images = _covariance(components.images * scale, components.images_shared * scale, n_arms)
    rng, spreads = np.random.default_rng(0), []
    for unit, n in ((components.seeds, design.seeds), (components.bases, design.bases)):
        least = np.min(unit.variance + unit.luck)
        share = min(unit.shared / least, 1.0) if least else 0.0
        shared_luck, shared = (share * np.min(part) for part in (unit.luck * scale, unit.variance))
        luck = _covariance(unit.luck * scale, shared_luck, n_arms)
        images = images + luck / n
        observed, shared = luck + _covariance(unit.variance, shared, n_arms), shared + shared_luck
        if n_draws:
            units = np.sqrt(shared) * rng.normal(size=(n_draws, 1, n))
            apart = np.sqrt(np.maximum(np.diag(observed) - shared, 0))
            units = units + apart[:, None] * rng.normal(size=(n_draws, n_arms, n))
            observed, _ = unit_covariances(
                units[:, :, None, :, None], np.ones((n_arms, 1, n), bool)
            )
        spreads.append(Spread(observed, luck, np.full(n_arms, n)))
    seeds, bases = spreads
    estimate = np.zeros((*observed.shape[:-2], n_arms))
    return Parts(estimate, images, seeds, bases, n_units=n_units, images_df=n_units - 1)


def _covariance(variance: Array, shared: float, n_arms: int) -> np.ndarray:
    """Return the covariance matrix of arms that have a part of their variance in common."""
    return shared + np.diag(np.broadcast_to(variance, n_arms) - shared)
