"""What is settled and what could be: the looks of a growing comparison, and its power."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..errors import UserError
from ..results import Look, Power
from ..tables import points
from .estimator import Estimator
from .inference import LEVEL
from .power import power_of_pilot, stored_components
from .sequential import Decision, Plan, follow, seeds_for_delta

Decisions = dict[str, tuple[Decision, ...]]
"""By arm, the decision on every primary question."""


def follow_looks(estimator: Estimator, plan: Plan, arms: Sequence[str]) -> Decisions:
    """Take the looks that the runs allow.

    Args:
        estimator: Estimates the effects.
        plan: The planned looks.
        arms: The arms that are decided on; the looks wait for no other.
    """
    if not arms:
        return {}
    followed = follow(
        [estimator.differences(question, arms) for question in estimator.questions],
        [estimator.n_units(estimator.scopes[q.scope]) for q in estimator.questions],
        plan,
    )
    return dict(zip(arms, zip(*followed.decisions)))


def last_look(decisions: Sequence[Decision]) -> int:
    """Return the number of seeds at the last look at an arm; 0 before any."""
    return max((decision.look for decision in decisions), default=0)


def look_of(estimator: Estimator, decisions: Sequence[Decision]) -> Look:
    """Return how far an arm is settled."""
    states = zip(map(str, estimator.questions), (decision.state for decision in decisions))
    return Look(last_look(decisions), dict(states))


def powers_of(estimator: Estimator) -> dict[str, Power]:
    """Return what a comparison like this could see, by primary question; only of paired runs."""
    powers: dict[str, Power] = {}
    if estimator.keys is None:
        return powers
    for question in estimator.questions:
        scope = estimator.scopes[question.scope]
        if estimator.task.refusal(scope) is not None:
            continue
        with contextlib.suppress(UserError):  # of a pilot that says nothing
            powers[str(question)] = power_of_pilot(
                question,
                estimator.differences(question, estimator.others),
                estimator.n_units(scope),
                level=1 - (1 - LEVEL) / len(estimator.questions),
            )
    return powers


def notes_on_reach(powers: Mapping[str, Power], plan: Plan) -> Iterator[str]:
    """Yield a note per question whose looks cannot show that an arm is equivalent."""
    for question, power in powers.items():
        shared = replace(plan, level=power.level)
        seeds = seeds_for_delta(stored_components(power), power.n_arms, shared)
        if seeds is not None and seeds <= plan.looks[-1]:
            continue
        needed = 'more test images' if seeds is None else f'about {seeds} seeds'
        yield (
            f'{question}: it takes {needed} to show that an arm is equivalent within '
            f'±{points(plan.delta, decimals=2)}, and the last look has {plan.looks[-1]} seeds'
        )
