"""The effects of all arms on one metric, paired by seed where runs share seeds.

Runs of two arms with one seed see the same images in the same order, so their difference varies far
less than either (:mod:`.paired`); the intervals of all arms then hold together, with the variance
pooled over the differences (:mod:`.simultaneous`). Runs without common seeds are compared by the
means of the arms (:mod:`.inference`), and the intervals are Bonferroni's.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional, Union

import numpy as np
from scipy.special import stdtrit

from ..results import Bounds, Estimate, Refused
from ..results.estimates import EstimateOrRefused
from .inference import LEVEL, POWER, UNDEFINED, difference, simultaneous
from .paired import pair_runs
from .sequential import Plan, levels_of_looks, stack_first_seeds
from .simultaneous import SimultaneousEffect, many_to_one

SeedKey = Union[int, tuple[Hashable, Hashable]]
"""Seed of a run, or the seed of its base and its own."""

Seeds = Mapping[str, Sequence[SeedKey]]
"""By arm, the seed of every run."""

RunKeys = Mapping[str, Sequence[tuple[Hashable, Hashable]]]
"""By arm, the base and the seed of every run."""

TOO_EARLY = Refused('the first planned look is still to come')


class Runs(NamedTuple):
    """A metric of the runs of one arm.

    Attributes:
        values: ``(K, 1 + B)``, the observed value, followed by its bootstrap replicates.
        keys: ``K`` pairs of base and seed; ``None`` where they are unknown.
    """

    values: np.ndarray
    keys: Optional[Sequence[tuple[Hashable, Hashable]]]


@dataclass(frozen=True)
class LooksTaken:
    """The looks of a comparison that was read while seeds were added.

    Attributes:
        plan: When it is read.
        looks: By arm, its number of seeds at its last look; 0 before any.
    """

    plan: Plan
    looks: Mapping[str, int]


def effects(
    arms: Mapping[str, Runs],
    baseline: Runs,
    n_units: int,
    *,
    paired: bool,
    n_questions: int = 1,
    taken: Optional[LooksTaken] = None,
) -> dict[str, EstimateOrRefused]:
    """Estimate the effect of every arm on one metric, with simultaneous intervals over the arms.

    Args:
        arms: By arm but the baseline.
        baseline: The runs that they are compared with.
        n_units: Number of images that hold what is measured, or of the groups of images that are
            resampled together.
        paired: Whether runs are compared seed by seed.
        n_questions: Number of questions that share the error budget with this one.
        taken: The looks, where paired runs were read while seeds were added. The simultaneous
            interval of an arm is then that of its last look, and the intervals of all looks hold.
    """
    if paired and taken is not None:
        return _effects_at_looks(arms, baseline, n_units, n_questions, taken)
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
    level = 1 - (1 - LEVEL) / n_questions
    result = many_to_one(paired_differences(arms, baseline), n_units, level=level)
    return {
        arm: UNDEFINED if effect is None else _estimate(effect, n_questions)
        for arm, effect in zip(arms, result.arms)
    }


def _effects_at_looks(
    arms: Mapping[str, Runs],
    baseline: Runs,
    n_units: int,
    n_questions: int,
    taken: LooksTaken,
) -> dict[str, EstimateOrRefused]:
    names, differences = list(arms), paired_differences(arms, baseline)
    levels = levels_of_looks(len(names), taken.plan, n_questions=n_questions)
    estimates: dict[str, EstimateOrRefused] = dict.fromkeys(names, TOO_EARLY)
    for look in sorted({taken.looks[name] for name in names} - {0}):
        members = [i for i, name in enumerate(names) if taken.looks[name] >= look]
        stack = stack_first_seeds(differences[members], look)
        ended = [i for i in members if taken.looks[names[i]] == look]
        if stack is None:
            estimates.update({names[i]: UNDEFINED for i in ended})
            continue
        result = many_to_one(stack, n_units, level=1 - levels[look], n_arms=len(names))
        for i, effect in zip(members, result.arms):
            if i in ended:
                # Scaled p values: an effect is significant where its own is below 1 - LEVEL.
                scale = (1 - LEVEL) / levels[look]
                estimates[names[i]] = UNDEFINED if effect is None else _estimate(effect, scale)
    return estimates


def paired_differences(arms: Mapping[str, Runs], baseline: Runs) -> np.ndarray:
    """Return the differences of all arms from the baseline, ``(M, L, K, 1 + B)``."""
    base = _by_key(baseline)
    return np.stack([pair_runs(_by_key(runs), base) for runs in arms.values()])


def _by_key(runs: Runs) -> dict[tuple[Hashable, Hashable], np.ndarray]:
    assert runs.keys is not None
    return dict(zip(runs.keys, runs.values))


def _estimate(effect: SimultaneousEffect, scale: float) -> Estimate:
    raw, bounds = effect.raw, Bounds(effect.low, effect.high)
    reach = (bounds.high - bounds.low) / 2
    return Estimate(
        estimate=raw.estimate,
        low=raw.low,
        high=raw.high,
        se=raw.se,
        df=raw.df,
        p=raw.p,
        p_adjusted=min(1.0, scale * effect.p_adjusted),
        detectable=reach + float(stdtrit(effect.df, POWER)) * effect.se,
        simultaneous=bounds,
    )


def refused_alike(arms: Sequence[str], refusal: Refused) -> dict[str, EstimateOrRefused]:
    """Return the same refusal for every arm."""
    return dict.fromkeys(arms, refusal)
