"""The result of a sweep in sentences: the answer to its question, and how to repeat it."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Union

from ..results import ArmSummary, Comparison, Environment, PlanSummary, SweepResult
from ..results.sweep import PLACEBO
from .summary import answers, confidence_steps
from .sweep_tables import percent


def title(result: SweepResult) -> str:
    """Return the title of a sweep's page."""
    return f'{result.plan.name}: what helps in clutter?'


def answer(result: SweepResult) -> list[str]:
    """Return what the arms did, in sentences for a lay reader; control and placebo come last."""
    return answers(result.comparison, result.plan.control)


def notes(result: SweepResult) -> list[str]:
    """Return what a reader should know, one sentence each."""
    of_doses = result.dose.notes if result.dose else ()
    return list(dict.fromkeys([*result.comparison.notes, *of_doses]))


def number_of_runs(result: SweepResult) -> str:
    """Return the number of arms and of their runs, in words."""
    arms = result.comparison.arms
    numbers = sorted({len(arm.runs) for arm in arms.values()})
    runs = _count(numbers[-1], 'run')
    return f'{len(arms)} arms with {runs if len(numbers) == 1 else f"{numbers[0]} to {runs}"} each'


def setup(result: SweepResult) -> list[tuple[str, str]]:
    """Return how the numbers were obtained, as pairs of a name and a text."""
    test_set, settings = result.comparison.test_set, result.comparison.settings
    cuts = _list(f'{cut:g}' for cut in settings.cuts)
    group = f' grouped by {settings.group_by}' if settings.group_by else ''
    return [
        (
            'Test set',
            f'{test_set.file}: {test_set.images} images, {test_set.objects} objects, '
            f'{test_set.crowd_regions} crowd regions, {test_set.classes} classes',
        ),
        ('Baseline', settings.baseline),
        ('Strata', f'{settings.measure or "given"}, cut at {cuts or "no value"}'),
        (
            'Matching',
            f'IoU of {result.comparison.shape}, at most {max(settings.max_detections)} detections '
            'per image and class',
        ),
        (
            'Intervals',
            f'{percent(settings.level)}, from {settings.n_boot} resamples of the images{group}, '
            f'seed {settings.seed}',
        ),
        ('Primary questions', _list(settings.questions) or 'none'),
        (
            'Runs',
            'compared seed by seed' if settings.paired else 'compared by the means of the arms',
        ),
        ('Found 4 times in 5', f'with a probability of {percent(settings.power)}'),
        *(_training_setup(result) if result.runs else ()),
    ]


def _training_setup(result: SweepResult) -> list[tuple[str, str]]:
    """Return how the arms were trained, as pairs of a name and a text."""
    plan = result.plan
    return [
        ('Capacity control', plan.control or 'none'),
        ('Seeds', '; '.join(_seeds(plan))),
        ('Dose', plan.dose or 'none'),
        ('Estimand', _estimand(plan)),
        ('Looks', _looks(result)),
        *_environments(result),
    ]


def _looks(result: SweepResult) -> str:
    """Return when the arms were compared while seeds were added, and where they stand."""
    looks, taken = result.comparison.settings.looks, result.comparison.looks
    if not looks:
        return 'none: the number of seeds was fixed'
    arms = [
        f'{arm} {_list(dict.fromkeys(look.states.values()))} at {look.seeds}'
        for arm, look in taken.items()
    ]
    return f'at {_list(looks)} seeds; {_list(arms)}'


def _estimand(plan: PlanSummary) -> str:
    """Return what the effects of a plan are effects of."""
    if plan.start is None:
        return 'trained: what a detector that is trained with the arm is worth'
    n_bases = len(plan.start.get('seeds', (0,)))
    given = 'given this start' if n_bases == 1 else f'over {n_bases} starts'
    return f'added: what the arm adds to a detector that is trained already, {given}'


def power_sentence(comparison: Comparison) -> str:
    """Return what the comparison could see with its seeds; empty for unpaired runs."""
    now = next((step for step in confidence_steps(comparison) if step.now), None)
    if now is None:
        return ''
    smallest = ' or of '.join(f'{effect} {question}' for question, effect in now.effects.items())
    return (
        f'With {_count(now.seeds, "seed")} and intervals for '
        f'{_count(len(comparison.effects), "arm")} together, an effect of {smallest} is found '
        'four times in five.'
    )


def plan_file(plan: PlanSummary) -> str:
    """Return the plan as a JSON file that ``spatialattn sweep`` reads."""
    options = {
        key: value
        for key, value in asdict(plan).items()
        if key != 'arms' and value not in (None, (), {})
    }
    arms = {
        name: _arm_entry(arm, plan)
        for name, arm in plan.arms.items()
        if plan.start is None or name != PLACEBO  # which every plan with a start gets
    }
    text = json.dumps({**options, 'arms': arms}, indent=2)
    # Lists of numbers take one line.
    return re.sub(r'\[\n([-\d.,\s]+)\]', lambda m: f'[{" ".join(m[1].split())}]', text)


def _arm_entry(arm: ArmSummary, plan: PlanSummary) -> Union[str, dict[str, Any]]:
    """Return an arm as a plan file has it: its config, and what differs from the whole plan."""
    entry: dict[str, Any] = {}
    if arm.overrides and arm.overrides != plan.overrides:
        entry['overrides'] = arm.overrides
    if arm.seeds and arm.seeds != plan.seeds:
        entry['seeds'] = arm.seeds
    return {'config': arm.config, **entry} if entry else arm.config


def _seeds(plan: PlanSummary) -> Iterator[str]:
    """Yield the seeds of most arms, then those of every arm with other seeds."""
    usual = Counter(arm.seeds for arm in plan.arms.values()).most_common(1)[0][0]
    yield _list(usual)
    for name, arm in plan.arms.items():
        if arm.seeds != usual:
            yield f'{name}: {_list(arm.seeds)}'


def _environments(result: SweepResult) -> Iterator[tuple[str, str]]:
    """Yield the environments of the finished runs; where they differ, with their shares."""
    known = [run.environment for run in result.runs if run.environment is not None]
    distinct = [entry for i, entry in enumerate(known) if entry not in known[:i]]
    for environment in distinct:
        share = f' ({known.count(environment)} of {len(known)} runs)' if len(distinct) > 1 else ''
        for name, text in _describe(environment).items():
            yield f'{name}{share}', text


def _describe(environment: Environment) -> dict[str, str]:
    hardware = dict(environment.hardware)
    if hardware.get('memory'):
        hardware['memory'] = f'{hardware["memory"] / 1e9:.0f} GB'
    return {
        'Versions': _list(f'{name} {version}' for name, version in environment.versions.items()),
        'Hardware': _list(f'{name}: {value}' for name, value in hardware.items()),
        'Commit': environment.commit or 'unknown',
    }


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}{"" if number == 1 else "s"}'


def _list(values: Iterable[Any]) -> str:
    return ', '.join(map(str, values))
