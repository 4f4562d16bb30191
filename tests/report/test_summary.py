"""The first screen: one sentence and three numbers per arm, how sure it is, and what weakens it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mmdet_spatialattn.report.alerts import comparison_alerts, sweep_alerts
from mmdet_spatialattn.report.summary import answers, arm_lines, confidence_steps
from mmdet_spatialattn.results import Bounds, Refused, Run, SweepResult
from mmdet_spatialattn.results.power import Power, UnitVariance
from mmdet_spatialattn.tables import points

from .test_training_log import write_log

STORED = Path(__file__).parents[1] / 'data/verdict-version-1.json'


@pytest.fixture
def result():
    return SweepResult.from_dict(json.loads(STORED.read_text(encoding='utf-8')))


def with_words(comparison, **words):
    verdicts = {
        arm: replace(verdict, word=words.get(arm.replace('-', '_'), 'inconclusive'))
        for arm, verdict in comparison.verdicts.items()
    }
    return replace(comparison, verdicts=verdicts)


def test_an_arm_has_a_sentence_and_the_numbers_before_and_after(result):
    comparison = with_words(result.comparison)
    arm = next(iter(comparison.effects))
    line = {line.arm: line for line in arm_lines(comparison)}[arm]
    assert line.sentence == 'Cannot be told yet, with so few runs or images.'
    assert list(line.changes) == ['overall', comparison.scopes[-1]]
    for scope, change in line.changes.items():
        for name, shown in ((comparison.baseline, change.before), (arm, change.after)):
            assert shown == points(comparison.arms[name].metrics[scope]['AP'])
    assert line.cost == ''


def test_costs_are_changes_in_percent(result):
    comparison = result.comparison
    arm = next(iter(comparison.effects))

    def cost(**ratios):
        lines = arm_lines(comparison, ratios={arm: ratios})
        return next(line.cost for line in lines if line.arm == arm).replace(
            '\N{NO-BREAK SPACE}', ' '
        )

    assert cost(latency=1.234, parameters=1.005, FLOPs=9.0) == '+23 % time, +0.5 % parameters'
    assert cost(FLOPs=0.98) == '-2.0 % FLOPs'


def test_the_best_verdict_comes_first_and_the_control_last(result):
    first, *others = result.comparison.effects
    best = others[-1] if others else first
    comparison = with_words(result.comparison, **{best.replace('-', '_'): 'helps in clutter'})
    order = [line.arm for line in arm_lines(comparison)]
    assert order[0] == best and sorted(order) == sorted(comparison.effects)
    order = [line.arm for line in arm_lines(comparison, control=best)]
    assert order[-1] == best


def test_the_steps_show_what_more_trainings_would_find(result):
    assert confidence_steps(result.comparison) == []
    none = UnitVariance(0.0, 0.0, 0.0)
    curve = ((2, 0.04), (3, 0.01), (5, 0.005))
    power = Power('AP', 'overall', 2, 100, 0.95, 0.0, 0.0, none, none, 1, curve)
    base = next(iter(result.comparison.arms.values()))
    arms = dict.fromkeys(result.comparison.arms, replace(base, runs=base.runs[:1] * 4))
    steps = confidence_steps(replace(result.comparison, arms=arms, power={'AP overall': power}))
    assert [step.effects['AP overall'] for step in steps] == ['4.00', '1.00', '0.50']
    assert [step.now for step in steps] == [False, True, False]


def test_alerts_name_a_weak_baseline_single_trainings_and_failed_runs(result, tmp_path):
    comparison = result.comparison
    base = comparison.arms[comparison.baseline]
    base.metrics['overall']['AP'] = 0.01
    weak = replace(base, runs=base.runs[:1])
    comparison = replace(comparison, arms={**comparison.arms, comparison.baseline: weak})
    result = replace(result, comparison=comparison, runs=(Run('x', 0, 'failed'),))
    alerts = sweep_alerts(result, tmp_path).alerts
    assert alerts[0].startswith('Run x/seed_0 failed; its log is x/seed_0/log.txt.')
    assert 'next to nothing (AP 1.0, below 5.0)' in alerts[1]
    assert alerts[2].startswith('An arm was trained only once.')
    assert 'detects something' not in comparison_alerts(comparison).sound


def test_an_infinite_loss_is_an_alert(result, tmp_path):
    assert not any('finite' in alert for alert in sweep_alerts(result, tmp_path).alerts)
    result = replace(result, plan=replace(result.plan, start={'arm': 'x', 'seeds': [0]}))
    for name in ('start/seed_0', result.runs[0].name):
        write_log(tmp_path / name, 'a', [(1, 0.5), (2, float('inf'))])
    (alert,) = (alert for alert in sweep_alerts(result, tmp_path).alerts if 'finite' in alert)
    assert alert.startswith('The loss was not finite in 2 trainings (first: start/seed_0)')


def test_notes_on_single_runs_stand_apart(result):
    comparison = result.comparison
    base = comparison.arms[comparison.baseline]
    noted = replace(base, runs=(replace(base.runs[0], notes=('capped',)), *base.runs[1:]))
    comparison = replace(
        comparison,
        arms={**comparison.arms, comparison.baseline: noted},
        notes=('of the data', 'capped'),
    )
    alerts = comparison_alerts(comparison)
    assert 'of the data' in alerts.alerts and 'capped' not in alerts.alerts
    assert 'capped' in alerts.runs


def test_an_effect_that_is_there_and_small_is_said_to_be_small(result):
    arms = result.comparison.effects
    words = {arm.replace('-', '_'): 'helps everywhere alike' for arm in arms}
    comparison = with_words(result.comparison, **words)
    bounds = Bounds(0.0001, 0.004)
    effects = {
        arm: {
            scope: {
                metric: value if isinstance(value, Refused) else replace(value, simultaneous=bounds)
                for metric, value in metrics.items()
            }
            for scope, metrics in scopes.items()
        }
        for arm, scopes in arms.items()
    }
    comparison = replace(comparison, effects=effects)
    small = 'Helps, in clutter as elsewhere, but by less than 0.5 AP'
    assert answers(comparison)[0] == f'{small}: {", ".join(arms)}.'
    assert arm_lines(comparison)[0].sentence == f'{small}.'
    strict = replace(comparison, settings=replace(comparison.settings, delta=0.003))
    assert answers(strict)[0] == f'Helps, in clutter as elsewhere: {", ".join(arms)}.'
