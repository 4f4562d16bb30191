"""Adding seeds until it is clear: looks at growing data that are paid for.

Whoever looks at a comparison after every few seeds and stops when p < 0.05 is wrong three times as
often as intended. Here the looks are planned, and each spends a part of the error budget, little
at first (O'Brien and Fleming's spending function, Lan and DeMets 1983). The boundaries are
significance levels for the adjusted p values of a look. They are found by simulating the t
statistics themselves: boundaries made for normal statistics are crossed too often where few seeds
tell the variance.

At every look the simultaneous interval of an arm at that level decides. All intervals of all looks
hold the truth with the planned confidence, so every decision is covered by the same budget:

- *better* or *worse*: the interval excludes 0,
- *equivalent*: the interval lies within ``-delta`` to ``+delta``,
- *futile*: neither is likely to happen until the last look. This stop is not binding: an arm may be
  continued against it without any harm to the error rate.

The state is the data and the plan. All planned looks are taken again in order whenever the function
is called, each with the seeds that belong to it, so that stopping and resuming changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Optional

import numpy as np
from scipy.special import ndtr, ndtri

from ..errors import UserError
from .paired import LEVEL, t_statistic
from .power import Design, half_width, more_seeds, seeds_for_width
from .simultaneous import SimultaneousEffect, many_to_one
from .variance import Components

State = Literal['open', 'better', 'worse', 'equivalent', 'futile']

N_TRIALS = 100_000
"""Simulated comparisons that the boundaries rest on."""


@dataclass(frozen=True)
class Plan:
    """When a growing comparison is read, and what settles it; fixed before the first run.

    Attributes:
        looks: Numbers of seeds at which it is read.
        level: Confidence level over all looks and arms.
        delta: Effects within ``-delta`` to ``delta`` count as none (0.005 is half a point of AP).
        futility: An arm stops if its chance to be settled until the last look is less than this.

    Raises:
        UserError: The looks do not increase, or begin below two seeds; ``delta`` is not positive.
    """

    looks: tuple[int, ...] = (3, 5, 8, 12)
    level: float = LEVEL
    delta: float = 0.005
    futility: float = 0.1

    def __post_init__(self) -> None:
        if not self.looks or self.looks[0] < 2 or (np.diff(self.looks) <= 0).any():
            raise UserError(
                f'looks {self.looks}: expected increasing numbers of seeds, two at least, '
                'such as (3, 5, 8, 12)'
            )
        if not self.delta > 0:
            raise UserError(f'delta {self.delta}: expected a positive difference, such as 0.005')


DEFAULT = Plan()


@dataclass(frozen=True)
class Boundaries:
    """What the looks of a plan cost.

    Attributes:
        spent: Error budget spent until each look.
        levels: An effect is significant at a look if its adjusted p value is below this level.
        t: The same as critical values of ``|t|`` with the pooled variance of paired differences.
    """

    spent: tuple[float, ...]
    levels: tuple[float, ...]
    t: tuple[float, ...]


@dataclass(frozen=True)
class Decision:
    """What is known of an arm.

    Attributes:
        state: ``'open'`` until it is settled.
        look: Number of seeds at the look that settled it, or at the last one; 0 before any.
        effect: Effect at that look, with the interval that decides; ``None`` before any look.
        more_seeds: About how many more seeds would settle it if the estimate stays as it is; 0 if
            it is settled, ``None`` if no number of seeds would, or nothing is known.
    """

    state: State
    look: int
    effect: Optional[SimultaneousEffect]
    more_seeds: Optional[int]


def boundaries(n_arms: int, plan: Plan = DEFAULT) -> Boundaries:
    """Return the boundaries for so many arms, simulated with a fixed seed.

    Example:
        >>> [round(level, 3) for level in boundaries(5).levels]
        [0.0, 0.002, 0.015, 0.041]
    """
    return _boundaries(n_arms, plan.looks, plan.level)


@lru_cache(maxsize=64)
def _boundaries(n_arms: int, looks: tuple[int, ...], level: float) -> Boundaries:
    spent = 2 * ndtr(ndtri((1 - level) / 2) / np.sqrt(np.array(looks) / looks[-1]))
    largest = _largest_t(n_arms, looks)  # (looks, trials)
    alive = np.ones(largest.shape[1], bool)
    levels, critical = [], []
    for t, budget in zip(largest, spent):
        crossings = round(budget * len(alive)) - (~alive).sum()
        bound = np.sort(t[alive])[-max(crossings, 1)]
        alive &= t < bound
        levels.append(float((t >= bound).mean()))
        critical.append(float(bound))
    levels[0] = float(spent[0])
    return Boundaries(tuple(map(float, spent)), tuple(levels), tuple(critical))


def _largest_t(n_arms: int, looks: tuple[int, ...]) -> np.ndarray:
    """Return the largest ``|t|`` over arms without effect, ``(looks, N_TRIALS)``."""
    rng = np.random.default_rng(0)
    largest, chunk = [], max(N_TRIALS // 50, 1)
    for _ in range(0, N_TRIALS, chunk):
        runs = rng.standard_normal((chunk, n_arms + 1, looks[-1]), dtype=np.float32)
        differences = runs[:, 1:] - runs[:, :1]
        at_looks = []
        for n in looks:
            seen = differences[..., :n]
            se = np.sqrt(seen.var(axis=-1, ddof=1).mean(axis=-1) / n)
            at_looks.append(np.abs(seen.mean(axis=-1)).max(axis=-1) / se)
        largest.append(at_looks)
    return np.concatenate(largest, axis=1)


@dataclass(frozen=True)
class Followed:
    """How far a plan was followed.

    Attributes:
        decisions: By question, the decision on every arm.
        looks: Of every arm, its number of seeds at the last look; 0 before any.
    """

    decisions: tuple[tuple[Decision, ...], ...]
    looks: tuple[int, ...]


def decide(differences: np.ndarray, n_units: int, plan: Plan = DEFAULT) -> tuple[Decision, ...]:
    """Take all looks that the data allow, and return the decision on every arm.

    Args:
        differences: ``(M, K, 1 + B)`` or ``(M, L, K, 1 + B)`` of all M arms of the plan, as for
            :func:`~mmdet_spatialattn.comparison.simultaneous.many_to_one`, with the seeds in the
            order in which they are run. A missing run is a row of NaN.
        n_units: Number of images, or groups of images, that are resampled.
        plan: Fixed before the first run.
    """
    runs = np.asarray(differences, float)
    return follow([runs[:, None] if runs.ndim == 3 else runs], [n_units], plan).decisions[0]


def follow(
    questions: Sequence[np.ndarray], n_units: Sequence[int], plan: Plan = DEFAULT
) -> Followed:
    """Take all looks that the data allow, for several questions that share the error budget.

    An arm is open until all questions about it are settled. A look is taken as soon as every open
    arm has its number of seeds.

    Args:
        questions: By question, the differences ``(M, L, K, 1 + B)`` as for :func:`decide`.
        n_units: By question, the number of images, or groups of images.
        plan: Fixed before the first run.
    """
    n_arms = len(questions[0])
    levels = levels_of_looks(n_arms, plan, n_questions=len(questions))
    decisions = [[Decision('open', 0, None, None)] * n_arms for _ in questions]
    looks = [0] * n_arms
    for look, level in levels.items():
        open_arms = [a for a in range(n_arms) if any(row[a].state == 'open' for row in decisions)]
        seen = [stack_first_seeds(runs[open_arms], look) for runs in questions]
        if not open_arms or any(stack is None for stack in seen):
            break
        for row, stack, n in zip(decisions, seen, n_units):
            assert stack is not None
            result = many_to_one(stack, n, level=1 - level, n_arms=n_arms)
            for arm, effect in zip(open_arms, result.arms):
                if effect is not None and row[arm].state == 'open':
                    state = _state(effect, n_arms, 1 - levels[plan.looks[-1]], plan)
                    row[arm] = Decision(state, look, effect, 0)
        for arm in open_arms:
            looks[arm] = look
    last = 1 - levels[plan.looks[-1]]
    return Followed(
        tuple(
            tuple(replace(d, more_seeds=_more_seeds(d, n_arms, last, plan)) for d in row)
            for row in decisions
        ),
        tuple(looks),
    )


def levels_of_looks(n_arms: int, plan: Plan, *, n_questions: int = 1) -> dict[int, float]:
    """Return the significance level of every look, where questions share the error budget."""
    shared = replace(plan, level=1 - (1 - plan.level) / n_questions)
    return dict(zip(plan.looks, boundaries(n_arms, shared).levels))


def stack_first_seeds(differences: np.ndarray, n_seeds: int) -> Optional[np.ndarray]:
    """Return the differences of several arms with their first usable seeds only.

    Args:
        differences: ``(M, L, K, 1 + B)``.
        n_seeds: How many to keep; ``None`` is returned if an arm has fewer, or there is no arm.
    """
    used = [first_seeds(arm, n_seeds) for arm in differences]
    kept = [arm for arm in used if arm is not None]
    if not kept or len(kept) < len(used):
        return None
    stacked = np.stack(kept)
    return stacked[:, :, ~np.isnan(stacked).all(axis=(0, 1, 3))]


def next_look(decisions: Sequence[Decision], plan: Plan = DEFAULT) -> Optional[int]:
    """Return the number of seeds that the open arms need next; ``None`` if the plan has ended."""
    looks = [d.look for d in decisions if d.state == 'open']
    later = [look for look in plan.looks if looks and look > max(looks)]
    return later[0] if later else None


def seeds_for_delta(components: Components, n_arms: int, plan: Plan = DEFAULT) -> Optional[int]:
    """Return how many seeds it takes to show that an arm without effect is equivalent.

    A plan whose last look comes earlier cannot reach its ``delta``. ``None`` if no number of seeds
    suffices, because there are too few test images.
    """
    level = boundaries(n_arms, plan).levels[-1]
    return seeds_for_width(components, Design(2, n_arms, level=1 - level), plan.delta)


def first_seeds(differences: np.ndarray, n_seeds: int) -> Optional[np.ndarray]:
    """Return one arm's differences with all but its first usable seeds missing.

    Args:
        differences: ``(L, K, 1 + B)``.
        n_seeds: How many to keep; ``None`` is returned if there are fewer.
    """
    present = ~np.isnan(differences).all(axis=-1)
    usable = present[present.any(axis=1)].all(axis=0) & present.any()
    if usable.sum() < n_seeds:
        return None
    return np.where((usable & (usable.cumsum() <= n_seeds))[:, None], differences, np.nan)


def _state(effect: SimultaneousEffect, n_arms: int, last_level: float, plan: Plan) -> State:
    if effect.low > 0:
        return 'better'
    if effect.high < 0:
        return 'worse'
    if -plan.delta < effect.low and effect.high < plan.delta:
        return 'equivalent'
    if _chance_to_settle(effect, n_arms, last_level, plan) < plan.futility:
        return 'futile'
    return 'open'


def _chance_to_settle(
    effect: SimultaneousEffect, n_arms: int, last_level: float, plan: Plan
) -> float:
    """Return the chance that the interval of the last look excludes 0 or lies within delta.

    The estimate of the last look is predicted from that of now; the images stay the same. At the
    last look itself the chance counts as 1: there is nothing to be saved.
    """
    raw, components, last = effect.raw, effect.components, plan.looks[-1]
    if raw.n_seeds >= last:
        return 1.0
    reach = half_width(components, Design(last, n_arms, bases=raw.n_bases, level=last_level))
    single = components.seeds.variance + components.seeds.luck
    spread = np.sqrt(single * (1 / raw.n_seeds - 1 / last))

    def below(value: float) -> float:
        return float(ndtr(t_statistic(value - raw.estimate, spread)))

    within = max(plan.delta - reach, 0.0)
    return below(-reach) + 1 - below(reach) + below(within) - below(-within)


def _more_seeds(decision: Decision, n_arms: int, last_level: float, plan: Plan) -> Optional[int]:
    if decision.effect is None:
        return None
    if decision.state in ('better', 'worse', 'equivalent'):
        return 0
    return more_seeds(decision.effect, n_arms=n_arms, delta=plan.delta, level=last_level)
