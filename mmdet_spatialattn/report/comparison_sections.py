"""What the sections of a page need that only a comparison is known to: ``templates/sections``."""

from collections.abc import Mapping
from typing import Any, Optional

from ..results import Comparison
from .alerts import Alerts
from .summary import answers, arm_lines, confidence_steps, trainings
from .sweep_tables import percent
from .sweep_text import power_sentence

MARKS = {'good': '\u25b2', 'bad': '\u25bc', 'mixed': '\u25c6', 'none': '\u25cb'}
"""Symbol of every style of a badge, so that colour is never the only distinction."""


def comparison_sections(
    comparison: Comparison,
    alerts: Alerts,
    *,
    control: Optional[str] = None,
    ratios: Mapping[str, Mapping[str, float]] = {},
) -> dict[str, Any]:
    """Return the variables of the sections ``arms``, ``confidence``, ``alerts`` and ``power``.

    The sections ``effects`` and ``gains`` need ``figures`` and ``tables`` too, with the fields of
    the same names; see :mod:`.sweep_figures` and :mod:`.sweep_tables`.

    Args:
        comparison: The comparison.
        alerts: What weakens it; see :func:`.alerts.comparison_alerts`.
        control: The arm that is the capacity control.
        ratios: By arm and kind of cost, the ratio to the baseline's cost.
    """
    return {
        'comparison': comparison,
        'level': percent(comparison.settings.level),
        'answer': answers(comparison, control),
        'marks': MARKS,
        'lines': arm_lines(comparison, control=control, ratios=ratios),
        'has_costs': any(ratios.get(arm) for arm in comparison.effects),
        'n_trainings': trainings(comparison),
        'most_trainings': max(len(arm.runs) for arm in comparison.arms.values()),
        'steps': confidence_steps(comparison),
        'alerts': alerts,
        'power_sentence': power_sentence(comparison),
    }
