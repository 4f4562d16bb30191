"""A plan is read as it was meant, or refused with what is wrong."""

from pathlib import Path

import pytest

from mmdet_spatialattn.compat.configs import config_path
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments import load_plan
from mmdet_spatialattn.experiments.collect import summarise

GOOD = dict(
    baseline="'plain'",
    seeds='[0, 1]',
    arms="dict(plain='a.py', cbam=dict(config='b.py', overrides={'model.depth': 34}))",
)


PLANS = sorted((Path(__file__).parents[2] / 'configs/experiments').glob('*.py'))


def write(tmp_path, **changes):
    for name in 'ab':
        (tmp_path / f'{name}.py').write_text('')
    values = {**GOOD, **changes}
    path = tmp_path / 'my_plan.py'
    path.write_text('\n'.join(f'{key} = {value}' for key, value in values.items() if value))
    return path


def test_a_plan_expands_to_arms_times_seeds(tmp_path):
    plan = load_plan(write(tmp_path))
    assert plan.name == 'my_plan' and plan.strata == 'cover:0.1,0.3' and plan.control is None
    assert [run.name for run in plan.runs] == [
        'plain/seed_0', 'cbam/seed_0', 'plain/seed_1', 'cbam/seed_1',
    ]  # fmt: skip
    assert plan.arms[0].config == tmp_path / 'a.py'
    assert plan.arms[1].overrides == {'model.depth': 34}


@pytest.mark.parametrize('path', PLANS, ids=lambda path: path.stem)
def test_the_plans_of_the_repository_name_configs_that_exist(path):
    plan = load_plan(path)
    assert plan.baseline == plan.arms[0].name and len(plan.runs) >= 2 * len(plan.arms)


def test_an_arm_may_be_a_config_that_a_package_ships(tmp_path):
    name = 'retinanet/retinanet_r18_fpn_1x_coco.py'
    plan = load_plan(write(tmp_path, arms=f"dict(plain='mmdet::{name}', cbam='b.py')"))
    assert plan.arms[0].config == config_path(f'mmdet::{name}')
    assert summarise(plan).arms['plain'].config == f'mmdet::{name}'
    with pytest.raises(UserError, match=r"my_plan\.py: arm 'plain': mmdet ships no config 'a\.py'"):
        load_plan(write(tmp_path, arms="dict(plain='mmdet::a.py')"))


def test_a_plan_that_a_package_ships_is_read_by_its_name():
    assert load_plan('mmdet_spatialattn::experiments/demo.py').baseline == 'baseline'


def test_a_plan_may_be_yaml(tmp_path):
    write(tmp_path)
    path = tmp_path / 'plan.yaml'
    path.write_text('baseline: plain\nseeds: [3]\narms:\n  plain: a.py\n  cbam: {config: b.py}\n')
    assert [run.name for run in load_plan(path).runs] == ['plain/seed_3', 'cbam/seed_3']


def test_severities_set_dose_and_group(tmp_path):
    plan = load_plan(write(tmp_path, severities='[5, 1]'))
    assert (plan.severities, plan.dose, plan.group_by) == ((1, 5), 'severity', 'original')


def test_an_arm_may_have_seeds_of_its_own_and_a_plan_names_of_its_own(tmp_path):
    arms = "dict(plain='a.py', again=dict(config='a.py', seeds=[7, 8, 9]))"
    plan = load_plan(write(tmp_path, arms=arms, _folder="'x'"))
    assert [run.name for run in plan.runs] == [
        'plain/seed_0', 'again/seed_7', 'plain/seed_1', 'again/seed_8', 'again/seed_9',
    ]  # fmt: skip


def test_attention_of_an_arm_is_given_by_part(tmp_path):
    arms = """dict(plain='a.py', cbam=dict(config='a.py', attention=dict(
        neck=dict(cfg=dict(type='CBAM'), position='output'))))"""
    plain, cbam = load_plan(write(tmp_path, arms=arms)).arms
    assert plain.attention == {}
    assert cbam.attention == {'neck': [dict(cfg=dict(type='CBAM'), position='output')]}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(sedes='[0]'), "unknown key 'sedes'; did you mean 'seeds'"),
        (dict(arms=None), "'arms' is missing"),
        (dict(baseline="'plian'"), "unknown baseline 'plian'; did you mean 'plain'"),
        (dict(control="'capacity'"), r"unknown control 'capacity' \(arms: plain, cbam\)"),
        (dict(arms="dict(plain='c.py')"), "arm 'plain': no config at .*c.py"),
        (dict(arms="dict(plain=dict(path='a.py'))"), "arm 'plain' must be the path of a config"),
        (dict(arms='dict(plain=3)'), "arm 'plain' must be the path of a config"),
        (
            dict(arms="dict(plain=dict(config='a.py', attention='CBAM'))"),
            "arm 'plain': attention must be entries by part, such as .*, got 'CBAM'",
        ),
        (
            dict(arms="dict(plain=dict(config='a.py', attention=dict(neck='CBAM')))"),
            "arm 'plain': attention must be entries by part",
        ),
        (dict(arms="'a.py'"), "arms must be configs by name, got 'a.py'"),
        (dict(arms='dict(plain=dict(config=3))'), "arm 'plain': config must be a path, got 3"),
        (dict(strata='3'), "strata must be a text such as 'cover:0.1,0.3', got 3"),
        (dict(n_boot='True'), 'n_boot must be a whole number, got True'),
        (dict(overrides='[1]'), r'overrides must be changes by dotted key, got \[1\]'),
        (dict(name='1.5'), 'name must be a text, got 1.5'),
        (dict(arms="{'a/b': 'a.py'}"), "'a/b' names a folder"),
        (dict(seeds='[0, 0]'), 'seeds repeat'),
        (dict(seeds='3'), 'seeds must be a list'),
        (dict(max_detections='10'), 'max_detections must be a number above 10, got 10'),
        (dict(seeds="['0']"), 'seeds must be a list'),
        (dict(arms='dict('), 'cannot be read: SyntaxError'),
        (dict(severities='[0, 1]'), r'severities must be numbers from 1 to 5, got \[0, 1\]'),
        (dict(severities='[1]', dose="'level'"), "'dose' follows from 'severities'"),
        (dict(arms="dict(plain=dict(config='a.py', seeds=[]))"), "arm 'plain': seeds is empty"),
    ],
)
def test_a_mistake_is_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        load_plan(write(tmp_path, **changes))


def test_an_absent_plan_is_named(tmp_path):
    with pytest.raises(UserError, match='no plan at .*absent.py'):
        load_plan(tmp_path / 'absent.py')
