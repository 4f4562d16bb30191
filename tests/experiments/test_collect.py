"""What is collected is what the runs left: compared once, described so that it can be repeated."""

import shutil
from dataclasses import asdict, replace

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.comparison import compare
from mmdet_spatialattn.comparison.dose_response import dose_response
from mmdet_spatialattn.errors import MissingFile, UserError
from mmdet_spatialattn.experiments.collect import summarise
from mmdet_spatialattn.experiments.metafile import read_metafile, write_metafile
from mmdet_spatialattn.experiments.plan import Arm, until_clear
from mmdet_spatialattn.experiments.record import RECORD, write_record
from mmdet_spatialattn.experiments.sweep import MANIFEST, check, protocol, run_sweep
from mmdet_spatialattn.insertion.health import Health, ModuleHealth
from mmdet_spatialattn.insertion.health_hook import HEALTH
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.results import OVERALL, Comparison, DoseResponse, Run, SweepResult
from tests.experiments.sets import BASELINE, collect_runs, finish, small_plan, small_scenes


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp('set') / 'scenes')


@pytest.fixture(scope='module')
def collected(scenes):
    """The folder of a sweep, its plan, and its result; the third arm never ran."""
    folder = scenes.parent / 'runs'
    plan = small_plan(scenes)
    plan = replace(plan, arms=(*plan.arms, Arm('late', BASELINE)))
    finish(plan, folder, scenes, {'plain': 6, 'cbam': 3})
    return folder, plan, collect_runs(plan, folder)


def without_sources(value):
    """What two comparisons share whose files were named differently."""
    if isinstance(value, (Comparison, DoseResponse)):
        value = value.to_dict()
    if isinstance(value, dict):
        skipped = ('source', 'file', 'notes')
        return {k: without_sources(v) for k, v in value.items() if k not in skipped}
    return [without_sources(v) for v in value] if isinstance(value, list) else value


def test_the_numbers_are_those_of_the_evaluation(collected, scenes):
    folder, plan, result = collected
    truth = scenes / 'annotations/val.json'
    runs = {
        arm: [folder / run.detections for run in plan.runs if run.arm == arm]
        for arm in ('plain', 'cbam')
    }
    options = dict(n_boot=100, group_by='scene', seeds={arm: [0, 1] for arm in runs})
    expected = compare(truth, runs, strata=plan.strata, **options)
    assert without_sources(result.comparison) == without_sources(expected)
    expected = dose_response(truth, runs, field='level', **options)
    assert without_sources(result.dose) == without_sources(expected)
    assert result.comparison.settings.paired
    assert result.comparison.verdicts['cbam'].word == 'inconclusive'  # two seeds say little


def test_what_is_stored_is_what_is_returned(collected):
    folder, _, result = collected
    assert SweepResult.read(folder / 'verdict.json') == result


def test_files_are_named_as_seen_from_the_folder(collected):
    _, _, result = collected
    assert result.annotations == '../scenes/annotations/val.json'
    assert result.images == '../scenes/images'
    sources = [run.source for run in result.comparison.arms['cbam'].runs]
    assert sources == [f'cbam/seed_{k}/detections.bbox.json' for k in (0, 1)]


def test_configs_are_named_as_seen_from_the_current_folder(scenes, monkeypatch, repository):
    plan = small_plan(scenes)
    monkeypatch.chdir(repository)
    assert summarise(plan).arms['plain'].config == (
        'configs/clutter_digits/retinanet_r18-narrow_fpn_4e_clutter-digits.py'
    )
    monkeypatch.chdir(scenes)
    assert summarise(plan).arms['plain'].config == str(BASELINE)


def test_runs_without_a_result_are_named_with_their_log(collected):
    _, _, result = collected
    assert [(run.name, run.log) for run in result.failed] == [
        (f'late/seed_{k}', f'late/seed_{k}/log.txt') for k in (0, 1)
    ]
    assert {run.state for run in result.failed} == {'waiting'}


def test_it_says_how_the_arms_differ_and_what_they_cost(collected):
    folder, _, result = collected
    changed = [line for line in result.differences['cbam'].splitlines() if line[0] in '+-']
    assert any('CBAM' in line for line in changed)
    assert not any('work_dir' in line or 'seed' in line for line in changed)
    assert result.differences['plain'] == '' and len(result.audits['plain']) == 0
    assert str(result.audits['cbam']).count('CBAM') == 6
    assert '96x96' in str(result.audits['cbam'])
    costs, timed = result.costs, read_json(folder / 'cost.json')
    assert costs['cbam'].parameters > costs['plain'].parameters > 3e6
    assert costs['cbam'].latency.reason == 'measured times stand in cost.json'
    assert timed['plain']['latency_ratio'] == 1 and timed['cbam']['latency'] > 0


def test_collecting_again_writes_the_same(collected, scenes):
    folder, plan, result = collected
    before = [(folder / name).read_bytes() for name in ('verdict.json', 'cost.json')]
    again = collect_runs(plan, folder)
    assert again.differences['cbam'].splitlines() == result.differences['cbam'].splitlines()
    assert again == result
    assert [(folder / name).read_bytes() for name in ('verdict.json', 'cost.json')] == before


@pytest.mark.parametrize('noise', [{}, {'cbam': 3}, {'plain': 3}])
def test_too_few_finished_runs_are_said(scenes, tmp_path, noise):
    plan = small_plan(scenes)
    finish(plan, tmp_path, scenes, noise)
    n = 2 * len(noise)
    with pytest.raises(UserError, match=rf"{n} of 4 runs are finished; .*baseline 'plain'"):
        collect_runs(plan, tmp_path)
    assert not (tmp_path / 'verdict.json').exists()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(strata='clutter'), "unknown clutter measure 'clutter'"),
        (dict(dose='severity'), "'severity'"),
        (dict(group_by='level'), "'level' puts the 24 images into 2 groups"),
    ],
)
def test_a_plan_that_does_not_fit_its_test_set_is_refused(scenes, tmp_path, changes, message):
    plan = small_plan(scenes, **changes)
    with pytest.raises(UserError, match=message):
        check(plan, tmp_path / 'runs')


def test_a_metafile_keeps_seeds_intervals_and_what_did_not_run(collected, tmp_path):
    _, _, result = collected
    write_metafile(tmp_path / 'metafile.yml', result)
    content = read_metafile(tmp_path / 'metafile.yml')
    plain, cbam, late = content['Models']
    assert [m['Name'] for m in content['Models']] == ['plain', 'cbam', 'late']
    assert late['Results'] is None and plain['Baseline'] is None
    assert cbam['Config'] == (
        'configs/clutter_digits/retinanet_r18-narrow-cbam-c3-c5_fpn_4e_clutter-digits.py'
    )
    assert cbam['Baseline'] == plain['Config']
    stored, comparison = cbam['Results'], result.comparison
    assert stored['seeds'] == [0, 1]
    runs = [run.metrics[OVERALL]['AP'] for run in comparison.arms['cbam'].runs]
    assert stored['AP']['runs'] == pytest.approx(runs, abs=5e-7)
    effect = asdict(comparison.effect('cbam'))
    for key in ('estimate', 'low', 'high', 'p_adjusted'):
        assert stored['effect']['overall'][key] == pytest.approx(effect[key], abs=5e-7)
    assert stored['verdict'] == comparison.verdicts['cbam'].word
    assert [environment['Runs'] for environment in content['Environments']] == [4]
    assert {'Hardware', 'Commit', 'Versions'} <= set(content['Environments'][0])


def test_runs_of_two_machines_are_told_apart(scenes, tmp_path):
    plan = small_plan(scenes)
    finish(plan, tmp_path, scenes, {'plain': 3, 'cbam': 3})
    path = tmp_path / plan.runs[1].name / RECORD
    record = read_json(path)
    write_json(path, {**record, 'environment': {**record['environment'], 'commit': 'feedbeef'}})
    result = collect_runs(plan, tmp_path)
    commits = {run.name: run.environment.commit for run in result.runs}
    assert commits.pop(plan.runs[1].name) == 'feedbeef'
    assert set(commits.values()) == {record['environment']['commit']} and len(commits) == 3
    write_metafile(tmp_path / 'metafile.yml', result)
    environments = read_metafile(tmp_path / 'metafile.yml')['Environments']
    assert [(group['Runs'], group['Commit']) for group in environments] == [
        (3, record['environment']['commit']),
        (1, 'feedbeef'),
    ]


def test_a_broken_metafile_is_named(tmp_path):
    (tmp_path / 'metafile.yml').write_text('Models: [')
    with pytest.raises(UserError, match='metafile.yml is not YAML'):
        read_metafile(tmp_path / 'metafile.yml')
    with pytest.raises(MissingFile, match='cannot read'):
        read_metafile(tmp_path / 'gone.yml')


def test_a_broken_file_of_detections_is_named(scenes, tmp_path):
    plan = small_plan(scenes)
    finish(plan, tmp_path, scenes, {'plain': 3, 'cbam': 3})
    write_json(tmp_path / plan.runs[0].detections, {'no': 'list'})
    with pytest.raises(UserError, match='plain/seed_0/detections.bbox.json'):
        collect_runs(plan, tmp_path)


def test_a_run_keeps_the_health_of_its_attention(scenes, tmp_path):
    """Attention that moved is shown; attention or a control that never trained gets no verdict."""
    plan = small_plan(scenes)
    finish(plan, tmp_path, scenes, {'plain': 6, 'cbam': 3})
    for run in plan.runs:
        if run.arm == 'cbam':
            moved = Health((ModuleHealth('a', 'CBAM', ('w',), {'w': 0.5}, alpha=-0.2),))
            write_json(tmp_path / run.name / HEALTH, moved.to_dict())
            write_record(run, tmp_path, 'finished')
    result = collect_runs(plan, tmp_path)
    assert [run.distance for run in result.health['cbam']] == [0.5, 0.5]
    assert 'plain' not in result.health
    assert result.comparison.verdicts['cbam'].word == 'inconclusive'
    write_metafile(tmp_path / 'metafile.yml', result)
    (_, cbam) = read_metafile(tmp_path / 'metafile.yml')['Models']
    assert cbam['Results']['health'][0] == {
        'verdict': 'trained',
        'distance': 0.5,
        'alpha': [-0.2, -0.2],
    }
    dead = Health((ModuleHealth('a', 'CBAM', ('w',), {'w': 0.0}, without_gradient=('w',)),))
    write_json(tmp_path / run.name / HEALTH, dead.to_dict())
    write_record(run, tmp_path, 'finished')
    verdict = collect_runs(plan, tmp_path).comparison.verdicts['cbam']
    assert verdict.word == 'no verdict'
    assert "this arm's attention never trained: CBAM at a: no gradient ever" in verdict.sentence


@pytest.mark.parametrize('failed', ['plain', 'cbam'])
def test_an_arm_with_failed_runs_gets_no_verdict(scenes, tmp_path, failed):
    plan = small_plan(scenes)
    finish(plan, tmp_path, scenes, {'plain': 6, 'cbam': 3})
    write_record(Run(failed, 1), tmp_path, 'failed')
    verdict = collect_runs(plan, tmp_path).comparison.verdicts['cbam']
    assert verdict.word == 'no verdict'
    assert '1 of its 2 runs failed' in verdict.sentence
    assert ('the baseline' in verdict.sentence) == (failed == 'plain')


def test_seeds_are_added_until_every_arm_is_settled(scenes, tmp_path):
    """All runs are there; those that a settled arm does not need are neither asked for nor read."""
    plan = until_clear(small_plan(scenes, dose=None, delta=20.0), max_seeds=5)
    assert (plan.looks, plan.seeds) == ((3, 5), (0, 1, 2, 3, 4))
    with pytest.raises(UserError, match='holds other files'):
        finish(plan, tmp_path / 'other', scenes, {'plain': 1})
        run_sweep(plan, tmp_path / 'other')
    write_json(tmp_path / MANIFEST, protocol(plan))
    finish(plan, tmp_path, scenes, {'plain': 1, 'cbam': 3})
    result = run_sweep(plan, tmp_path)
    assert result.comparison.settings.looks == (3, 5)
    assert not result.comparison.looks['cbam'].open
    look = result.comparison.looks['cbam'].seeds
    assert result.comparison.effect('cbam').estimate < -0.1
    for run in plan.runs:
        if run.arm == 'cbam' and run.seed >= look:
            shutil.rmtree(tmp_path / run.name)
    again = run_sweep(plan, tmp_path)
    assert again.comparison.looks == result.comparison.looks
    assert again.comparison.effects == result.comparison.effects
    assert not again.failed
    with pytest.raises(UserError, match=r'looks \[3, 5\] instead of \[3, 4\]'):
        run_sweep(until_clear(plan, max_seeds=4), tmp_path)
