"""The effects of all arms on one metric, paired by seed where runs share seeds.

Runs of two arms with one seed see the same images in the same order, so their difference varies far
less than either (:mod:`.paired`); the intervals of all arms then hold together, with the variance
pooled over the differences (:mod:`.simultaneous`). Runs without common seeds are compared by the
means of the arms (:mod:`.inference`), and the intervals are Bonferroni's.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, Optional, Union

import numpy as np
from scipy.special import stdtrit

from ..results import Bounds, Estimate, Refused
from ..results.estimates import EstimateOrRefused
from .inference import LEVEL, POWER, UNDEFINED, difference, simultaneous
from .paired import pair_runs
from .simultaneous import SimultaneousEffect, many_to_one

SeedKey = Union[int, tuple[Hashable, Hashable]]
"""Seed of a run, or the seed of its base and its own."""

Seeds = Mapping[str, Sequence[SeedKey]]
"""By arm, the seed of every run."""


class Runs(NamedTuple):
    """A metric of the runs of one arm.

    Attributes:
        values: ``(K, 1 + B)``, the observed value, followed by its bootstrap replicates.
        keys: ``K`` pairs of base and seed; ``None`` where they are unknown.
    """

    values: np.ndarray
    keys: Optional[Sequence[tuple[Hashable, Hashable]]]


def effects(
    arms: Mapping[str, Runs],
    baseline: Runs,
    n_units: int,
    *,
    paired: bool,
    n_questions: int = 1,
) -> dict[str, EstimateOrRefused]:
    """Estimate the effect of every arm on one metric, with simultaneous intervals over the arms.

    Args:
        arms: By arm but the baseline.
        baseline: The runs that they are compared with.
        n_units: Number of images that hold what is measured, or of the groups of images that are
            resampled together.
        paired: Whether runs are compared seed by seed.
        n_questions: Number of questions that share the error budget with this one.
    """
    if paired:
        return _paired_effects(arms, baseline, n_units, n_questions)
    estimates: dict[str, EstimateOrRefused] = {
        arm: difference(runs.values, baseline.values, n_units) for arm, runs in arms.items()
    }
    known = {arm: e for arm, e in estimates.items() if isinstance(e, Estimate)}
    adjusted = simultaneous(list(known.values()), len(arms) * n_questions)
    return {**estimates, **dict(zip(known, adjusted))}


def _paired_effects(
    arms: Mapping[str, Runs], baseline: Runs, n_units: int, n_questions: int
) -> dict[str, EstimateOrRefused]:
    base = _by_key(baseline)
    pairs = [pair_runs(_by_key(runs), base) for runs in arms.values()]
    shape = tuple(map(max, zip(*(rows.shape for rows in pairs))))
    differences = np.full((len(pairs), *shape), np.nan)
    for row, rows in zip(differences, pairs):
        row[: rows.shape[0], : rows.shape[1]] = rows
    level = 1 - (1 - LEVEL) / n_questions
    result = many_to_one(differences, n_units, level=level)
    return {
        arm: UNDEFINED if effect is None else _estimate(effect, n_questions)
        for arm, effect in zip(arms, result.arms)
    }


def _by_key(runs: Runs) -> dict[tuple[Hashable, Hashable], np.ndarray]:
    assert runs.keys is not None
    return dict(zip(runs.keys, runs.values))


def _estimate(effect: SimultaneousEffect, n_questions: int) -> Estimate:
    raw, bounds = effect.raw, Bounds(effect.low, effect.high)
    reach = (bounds.high - bounds.low) / 2
    return Estimate(
        estimate=raw.estimate,
        low=raw.low,
        high=raw.high,
        se=raw.se,
        df=raw.df,
        p=raw.p,
        p_adjusted=min(1.0, n_questions * effect.p_adjusted),
        detectable=reach + float(stdtrit(effect.df, POWER)) * effect.se,
        simultaneous=bounds,
    )


def refused_alike(arms: Sequence[str], refusal: Refused) -> dict[str, EstimateOrRefused]:
    """Return the same refusal for every arm."""
    return dict.fromkeys(arms, refusal)
