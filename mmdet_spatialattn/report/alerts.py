"""What weakens a comparison: a weak baseline, few trainings, small strata, notes on the data."""

from collections.abc import Iterator
from typing import NamedTuple

from ..comparison.verdict import EQUIVALENT, INCONCLUSIVE, LOWEST_AP, NO_VERDICT, ONE_TRAINING
from ..results import OVERALL, Comparison, Refused, SweepResult
from ..results.estimates import points_or_missing
from ..results.sweep import FAILED, PLACEBO
from ..tables import points
from .summary import trainings


class Alerts(NamedTuple):
    """What a reader should know before believing a page.

    Attributes:
        alerts: Sentences.
        runs: Notes on single runs.
        sound: What was looked at and is in order, in one sentence.
    """

    alerts: list[str]
    runs: list[str]
    sound: str


def comparison_alerts(comparison: Comparison) -> Alerts:
    """Return what weakens a comparison."""
    runs = [note for arm in comparison.arms.values() for run in arm.runs for note in run.notes]
    of_runs = set(runs)
    alerts = [*_alerts(comparison), *(n for n in comparison.notes if n not in of_runs)]
    return Alerts(list(dict.fromkeys(alerts)), list(dict.fromkeys(runs)), _sound(comparison))


def sweep_alerts(result: SweepResult) -> Alerts:
    """Return what weakens a sweep: also its runs without a result, and notes on its doses."""
    alerts, runs, sound = comparison_alerts(result.comparison)
    notes = result.dose.notes if result.dose else ()
    of_doses = [note for note in notes if note not in runs]
    alerts = [*_failures(result), *alerts, *of_doses]
    return Alerts(list(dict.fromkeys(alerts)), runs, sound)


def _alerts(comparison: Comparison) -> Iterator[str]:
    if _is_weak(comparison):
        yield (
            'The baseline detects next to nothing (AP '
            f'{points_or_missing(comparison.arms[comparison.baseline].metrics[OVERALL]["AP"])}, '
            f'below {points(LOWEST_AP)}): nothing is concluded from it.'
        )
    if trainings(comparison) == 1:
        yield (
            'An arm was trained only once. Two trainings of the same detector differ too, so one '
            'training cannot tell whether a method makes a difference.'
        )
    placebo = comparison.verdicts.get(PLACEBO)
    if placebo and placebo.word not in (EQUIVALENT, INCONCLUSIVE, ONE_TRAINING, NO_VERDICT):
        yield (
            'The placebo, which is the baseline again, differs from the baseline: chance is larger '
            'here than the intervals say.'
        )


def _failures(result: SweepResult) -> Iterator[str]:
    for run in result.failed:
        ending = (
            f'failed; its log is {run.log}' if run.state == FAILED else 'is not finished'
        )  # fmt: skip
        yield f'Run {run.name} {ending}. No number on this page includes it.'


def _is_weak(comparison: Comparison) -> bool:
    ap = comparison.arms[comparison.baseline].metrics[OVERALL]['AP']
    return isinstance(ap, Refused) or ap < LOWEST_AP


def _sound(comparison: Comparison) -> str:
    """Return what was looked at and found in order; empty if nothing was."""
    ap = points_or_missing(comparison.arms[comparison.baseline].metrics[OVERALL]['AP'])
    n = trainings(comparison)
    facts = [
        (not _is_weak(comparison), f'the baseline detects something (AP {ap})'),
        (n > 1, f'every arm was trained {n} times or more'),
        (all(s.enough for s in comparison.strata), 'every stratum is large enough'),
    ]
    found = [text for holds, text in facts if holds]
    return f'In order: {", ".join(found)}.' if found else ''
