"""What weakens a comparison: a weak baseline, few trainings, small strata, notes on the data."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..comparison.verdict import EQUIVALENT, INCONCLUSIVE, LOWEST_AP, NO_VERDICT, ONE_TRAINING
from ..results import OVERALL, Comparison, Refused, Run, SweepResult
from ..results.estimates import points_or_missing
from ..results.sweep import FAILED, PLACEBO, START
from ..tables import points
from .summary import trainings
from .training_log import has_infinite_loss


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


def sweep_alerts(result: SweepResult, folder: Path) -> Alerts:
    """Return what weakens a sweep: also its runs without a result, and notes on its doses.

    Args:
        result: The result of the sweep.
        folder: The sweep's folder, with the logs of its trainings.
    """
    alerts, runs, sound = comparison_alerts(result.comparison)
    notes = result.dose.notes if result.dose else ()
    of_doses = [note for note in notes if note not in runs]
    alerts = [*_failures(result), *_infinite_losses(result, folder), *alerts, *of_doses]
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


def _infinite_losses(result: SweepResult, folder: Path) -> Iterator[str]:
    seeds = (result.plan.start or {}).get('seeds', ())
    names = [run.name for run in (*(Run(START, seed) for seed in seeds), *result.runs)]
    runs = [name for name in names if has_infinite_loss(folder / name)]
    if runs:
        yield (
            f'The loss was not finite in {len(runs)} training{"s" if len(runs) > 1 else ""} '
            f'(first: {runs[0]}): look for targets without width or height, which a crop may '
            'leave, and for a learning rate that is too high.'
        )


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
