"""What is collected is what the runs left: compared once, described so that it can be repeated."""

from dataclasses import replace

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.comparison import compare
from mmdet_spatialattn.comparison.dose_response import dose_response
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.collect import check_test_set, collect, describe
from mmdet_spatialattn.experiments.launch import FINISHED, detections_of
from mmdet_spatialattn.experiments.metafile import read_metafile, write_metafile
from mmdet_spatialattn.experiments.plan import Arm
from mmdet_spatialattn.io import read_json, write_json
from tests.experiments.sets import BASELINE, configs_of, finish, small_plan, small_scenes


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp('set') / 'scenes')


@pytest.fixture(scope='module')
def collected(scenes):
    """The folder of a sweep, its plan, and what was collected; the third arm never ran."""
    folder = scenes.parent / 'runs'
    plan = small_plan(scenes)
    plan = replace(plan, arms=(*plan.arms, Arm('late', BASELINE)))
    finish(plan, folder, scenes, {'plain': 6, 'cbam': 3})
    collect(plan, folder, configs_of(plan, folder))
    return folder, plan, read_json(folder / 'verdict.json')


def without_sources(value):
    """What two comparisons share whose files were named differently."""
    if isinstance(value, dict):
        skipped = ('source', 'file', 'notes')
        return {k: without_sources(v) for k, v in value.items() if k not in skipped}
    return [without_sources(v) for v in value] if isinstance(value, list) else value


def test_the_numbers_are_those_of_the_evaluation(collected, scenes):
    folder, plan, verdict = collected
    truth = scenes / 'annotations/val.json'
    runs = {
        arm: [detections_of(run, folder) for run in plan.runs if run.arm.name == arm]
        for arm in ('plain', 'cbam')
    }
    options = dict(n_boot=100, group_by='scene')
    expected = compare(truth, runs, strata=plan.strata, **options)
    assert without_sources(verdict['comparison']) == without_sources(expected.to_json())
    expected = dose_response(truth, runs, field='level', **options)
    assert without_sources(verdict['dose']) == without_sources(expected.to_json())
    assert verdict['comparison']['verdicts']['cbam']['word'].startswith('helps')


def test_files_are_named_as_seen_from_the_folder(collected):
    _, _, verdict = collected
    assert verdict['data'] == {
        'annotations': '../scenes/annotations/val.json',
        'images': '../scenes/images',
    }
    sources = [run['source'] for run in verdict['comparison']['arms']['cbam']['runs']]
    assert sources == [f'cbam/seed_{k}/detections.bbox.json' for k in (0, 1)]


def test_configs_are_named_as_seen_from_the_current_folder(scenes, monkeypatch, repository):
    plan = small_plan(scenes)
    monkeypatch.chdir(repository)
    assert describe(plan)['arms']['plain']['config'] == (
        'configs/clutter_digits/retinanet_r18-narrow_fpn_4e_clutter-digits.py'
    )
    monkeypatch.chdir(scenes)
    assert describe(plan)['arms']['plain']['config'] == str(BASELINE)


def test_runs_without_a_result_are_named_with_their_log(collected):
    _, _, verdict = collected
    assert verdict['failed'] == [
        {'run': f'late/seed_{k}', 'log': f'late/seed_{k}/log.txt'} for k in (0, 1)
    ]


def test_it_says_how_the_arms_differ_and_what_they_cost(collected):
    folder, _, verdict = collected
    changed = [line for line in verdict['differences']['cbam'].splitlines() if line[0] in '+-']
    assert any('CBAM' in line for line in changed)
    assert not any('work_dir' in line or 'seed' in line for line in changed)
    assert verdict['differences']['plain'] == '' == verdict['audits']['plain']
    assert verdict['audits']['cbam'].count('CBAM') == 6
    assert '96x96' in verdict['audits']['cbam']
    costs, timed = verdict['costs'], read_json(folder / 'cost.json')
    assert costs['cbam']['parameters'] > costs['plain']['parameters'] > 3e6
    assert set(costs['cbam']) == {'parameters', 'flops', 'memory'}
    assert timed['plain']['latency_ratio'] == 1 and timed['cbam']['latency'] > 0


def test_collecting_again_writes_the_same(collected, scenes):
    folder, plan, _ = collected
    before = [(folder / name).read_bytes() for name in ('verdict.json', 'cost.json')]
    collect(plan, folder, configs_of(plan, folder))
    assert [(folder / name).read_bytes() for name in ('verdict.json', 'cost.json')] == before


@pytest.mark.parametrize('noise', [{}, {'cbam': 3}, {'plain': 3}])
def test_too_few_finished_runs_are_said(scenes, tmp_path, noise):
    plan = small_plan(scenes)
    finish(plan, tmp_path, scenes, noise)
    n = 2 * len(noise)
    with pytest.raises(UserError, match=rf"{n} of 4 runs are finished; .*baseline 'plain'"):
        collect(plan, tmp_path, configs_of(plan, tmp_path))
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
        check_test_set(plan, configs_of(plan, tmp_path)['plain'])


def test_a_metafile_keeps_seeds_intervals_and_what_did_not_run(collected, tmp_path):
    _, _, verdict = collected
    write_metafile(tmp_path / 'metafile.yml', verdict)
    content = read_metafile(tmp_path / 'metafile.yml')
    plain, cbam, late = content['Models']
    assert [m['Name'] for m in content['Models']] == ['plain', 'cbam', 'late']
    assert late['Results'] is None and plain['Baseline'] is None
    assert cbam['Config'] == (
        'configs/clutter_digits/retinanet_r18-narrow-cbam-c3-c5_fpn_4e_clutter-digits.py'
    )
    assert cbam['Baseline'] == plain['Config']
    found, expected = cbam['Results'], verdict['comparison']
    assert found['seeds'] == [0, 1]
    runs = [run['overall']['AP'] for run in expected['arms']['cbam']['runs']]
    assert found['AP']['runs'] == pytest.approx(runs, abs=5e-7)
    effect = expected['effects']['cbam']['overall']['AP']
    for key in ('estimate', 'low', 'high', 'p_holm'):
        assert found['effect']['overall'][key] == pytest.approx(effect[key], abs=5e-7)
    assert found['verdict'] == expected['verdicts']['cbam']['word']
    assert [of['Runs'] for of in content['Environments']] == [4]
    assert {'Hardware', 'Commit', 'Versions'} <= set(content['Environments'][0])


def test_runs_of_two_machines_are_told_apart(scenes, tmp_path):
    plan = small_plan(scenes)
    finish(plan, tmp_path, scenes, {'plain': 3, 'cbam': 3})
    note = tmp_path / plan.runs[1].name / FINISHED
    there = {**read_json(note)['environment'], 'commit': 'feedbeef'}
    write_json(note, {'environment': there})
    collect(plan, tmp_path, configs_of(plan, tmp_path))
    here, other = read_json(tmp_path / 'verdict.json')['environments']
    assert other == {**there, 'runs': [plan.runs[1].name]}
    assert here['runs'] == [run.name for run in plan.runs if run != plan.runs[1]]


def test_a_broken_metafile_is_named(tmp_path):
    (tmp_path / 'metafile.yml').write_text('Models: [')
    with pytest.raises(UserError, match='metafile.yml is not YAML'):
        read_metafile(tmp_path / 'metafile.yml')
    with pytest.raises(UserError, match='cannot read'):
        read_metafile(tmp_path / 'gone.yml')


def test_a_broken_file_of_detections_is_named(scenes, tmp_path):
    plan = small_plan(scenes)
    finish(plan, tmp_path, scenes, {'plain': 3, 'cbam': 3})
    write_json(detections_of(plan.runs[0], tmp_path), {'no': 'list'})
    with pytest.raises(UserError, match='plain/seed_0/detections.bbox.json'):
        collect(plan, tmp_path, configs_of(plan, tmp_path))
