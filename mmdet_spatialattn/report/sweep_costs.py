"""Costs of the arms of a sweep: their measured times, and their ratios to the baseline."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from ..io import PathLike, read_json
from ..results import Cost, Refused
from ..results.estimates import Number

TIMES = 'cost.json'
"""File of the measured times, in the folder of a sweep."""

KINDS = ('latency', 'FLOPs', 'parameters', 'memory')
"""Kinds of cost, in the order in which a page offers them."""


def with_times(costs: Mapping[str, Cost], folder: PathLike) -> dict[str, Cost]:
    """Return the costs of every arm with the times that are stored in the folder of its sweep.

    Times that the costs hold already are kept.

    Raises:
        UserError: ``cost.json`` cannot be read.
    """
    path = Path(folder) / TIMES
    stored = read_json(path) if costs and path.is_file() else None
    return {
        arm: replace(
            cost,
            latency=_known(cost.latency, stored, arm, 'latency'),
            latency_ratio=_known(cost.latency_ratio, stored, arm, 'latency_ratio'),
        )
        for arm, cost in costs.items()
    }


def cost_ratios(costs: Mapping[str, Cost], baseline: str) -> dict[str, dict[str, float]]:
    """Return the ratio of every cost to the baseline's, by arm and kind; unknown ones are missing.

    The ratio of the latencies was measured round by round, which cancels the drift of the machine.
    """
    reference = costs.get(baseline)
    return {arm: _ratios(cost, reference) for arm, cost in costs.items()}


def known_kinds(ratios: Mapping[str, Mapping[str, float]], arms: Iterable[str]) -> list[str]:
    """Return the kinds of cost whose ratio is known for at least one of the arms."""
    known = {kind for arm in arms for kind in ratios.get(arm, ())}
    return [kind for kind in KINDS if kind in known]


def missing_times(costs: Mapping[str, Cost]) -> list[str]:
    """Return the reasons why latencies are missing, each reason once."""
    times = (cost.latency for cost in costs.values())
    return list(dict.fromkeys(time.reason for time in times if isinstance(time, Refused)))


def _ratios(cost: Cost, reference: Optional[Cost]) -> dict[str, float]:
    ratios = {}
    if not isinstance(cost.latency_ratio, Refused):
        ratios['latency'] = cost.latency_ratio
    if reference is not None:
        for kind, value, divisor in (
            ('FLOPs', cost.flops, reference.flops),
            ('parameters', cost.parameters, reference.parameters),
            ('memory', cost.memory, reference.memory),
        ):
            if divisor:
                ratios[kind] = value / divisor
    return ratios


def _known(number: Number, stored: Any, arm: str, key: str) -> Number:
    """Return a time, or the stored one where it is refused."""
    if not isinstance(number, Refused):
        return number
    if stored is None:
        return Refused(f'there is no {TIMES}')
    try:
        time = float(stored[arm][key])
    except (KeyError, TypeError, ValueError):
        time = math.nan
    return time if math.isfinite(time) else Refused(f"{TIMES} has no {key} of '{arm}'")
