"""The common start: read from a plan, the same for all arms, and paired seed by seed."""

import copy

import pytest
import torch

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.arms import building
from mmdet_spatialattn.experiments.config import arm_config, read_config, run_config, start_config
from mmdet_spatialattn.experiments.identity import check_identity
from mmdet_spatialattn.experiments.launch import launch
from mmdet_spatialattn.experiments.plan import Arm, load_plan
from mmdet_spatialattn.experiments.record import read_record
from mmdet_spatialattn.experiments.start import JITTER
from mmdet_spatialattn.experiments.sweep import check
from mmdet_spatialattn.results.sweep import PLACEBO, START

from .sets import BASELINE, CBAM, small_plan, small_scenes

PLAN = f"""
baseline = 'plain'
seeds = [0, 1]
overrides = {{'data_root': 'data'}}
start = dict(arm='plain', epochs=3)
fine_tuning = {{'train_cfg.max_epochs': 2}}
arms = dict(plain={str(BASELINE)!r}, cbam={str(CBAM)!r})
"""
IDENTITY = {'model.backbone.attention.0.cfg.identity_init': True}


@pytest.fixture
def plan(tmp_path):
    """Return a plan with lines added."""

    def plan(lines=''):
        (tmp_path / 'plan.py').write_text(PLAN + lines)
        return load_plan(tmp_path / 'plan.py')

    return plan


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp('set') / 'scenes')


@pytest.fixture
def start(scenes, tmp_path):
    """Write the weights of a baseline that detects something; return its config and the file."""
    from mmdet.registry import MODELS

    config = read_config(BASELINE)
    config.merge_from_dict({'data_root': str(scenes)})
    config.test_dataloader.dataset.data_root = f'{scenes}/'
    config.model.test_cfg.score_thr = 0.0
    torch.manual_seed(0)
    with building(config):
        model = MODELS.build(config.model)
        model.init_weights()
    for name, parameter in model.named_parameters():
        if name.endswith('bn2.weight'):  # zero until it is trained: what follows it has no effect
            torch.nn.init.ones_(parameter)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'start.pth')
    return config, str(tmp_path / 'start.pth')


def with_attention(config, **options):
    """Return the config with CBAM in its backbone."""
    config = copy.deepcopy(config)
    backbone = read_config(CBAM).model.backbone
    backbone.attention[0].cfg.update(options)
    config.model.backbone = backbone
    return config


def test_the_start_is_trained_once_and_all_runs_follow_from_it(plan, tmp_path):
    plan = plan()
    assert plan.estimand == 'added'
    assert [run.name for run in plan.start_runs] == ['start/seed_0']
    assert [arm.name for arm in plan.arms] == ['plain', 'cbam', PLACEBO]
    assert [run.name for run in plan.runs][:4] == [
        'plain/seed_0',
        'cbam/seed_0',
        'placebo/seed_0',
        'plain/seed_1',
    ]
    assert start_config(plan).train_cfg.max_epochs == 3
    assert arm_config(plan, plan.arms[1]).train_cfg.max_epochs == 2
    assert plan.arms[2].jitter == JITTER and plan.arms[0].jitter == 0
    config = run_config(
        arm_config(plan, plan.arms[2]), 1, tmp_path, checkpoint='base.pth', jitter=JITTER
    )
    assert config.load_from == 'base.pth'
    assert config.custom_hooks[-1] == dict(
        type='mmdet_spatialattn.JitterWeights', scale=JITTER, seed=1
    )


def test_a_start_counts_as_its_config_does(plan):
    plan_by = "start = dict(arm='plain', {}=900)\n"
    by_iterations = (
        "overrides['train_cfg'] = dict(type='IterBasedTrainLoop', max_iters=9, _delete_=True)\n"
    )
    start = plan(by_iterations + plan_by.format('iterations'))
    assert start_config(start).train_cfg.max_iters == 900
    assert start.start.to_plan()['iterations'] == 900 and 'epochs' not in start.start.to_plan()
    with pytest.raises(UserError, match=r'trains by iterations.*give start=dict\(arm=..., iterat'):
        start_config(plan(by_iterations + plan_by.format('epochs')))
    with pytest.raises(UserError, match='trains by epochs, and the start has a number of iteratio'):
        start_config(plan(plan_by.format('iterations')))


def test_several_bases_are_crossed_with_the_seeds(plan):
    plan = plan("start = dict(arm='plain', epochs=3, seeds=[4, 5])\n")
    assert [run.name for run in plan.start_runs] == ['start/seed_4', 'start/seed_5']
    runs = plan.runs_of(plan.arms[1])
    assert [run.name for run in runs] == [
        'cbam/base_4/seed_0',
        'cbam/base_5/seed_0',
        'cbam/base_4/seed_1',
        'cbam/base_5/seed_1',
    ]
    assert [(run.base, run.seed) for run in runs] == [(4, 0), (5, 0), (4, 1), (5, 1)]


def test_from_scratch_there_is_no_placebo(plan):
    plan = plan("start = 'scratch'\nfine_tuning = {}\n")
    assert plan.estimand == 'trained' and not plan.start_runs
    assert [arm.name for arm in plan.arms] == ['plain', 'cbam']


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        ("start = dict(arm='plane', epochs=3)", "unknown arm 'plane'; did you mean 'plain'"),
        ("start = dict(arm='plain')", r"must be 'scratch', a checkpoint, or dict\(arm="),
        ("start = dict(arm='plain', epochs=0)", 'epochs must be at least 1, got 0'),
        ("start = dict(arm='plain', epochs=3, seeds=[1, 1])", 'must be different integers'),
        ("start = dict(arm='plain', epochs=3, seed=1)", "must be 'scratch'"),
        ("start = 'gone.pth'", 'no checkpoint at .*gone.pth'),
        ('start = 7', "must be 'scratch'"),
        ("start = 'scratch'", "'fine_tuning' needs a 'start'"),
        (f'arms = dict(plain={str(BASELINE)!r}, placebo={str(CBAM)!r})', "'placebo' is taken"),
        (
            f'arms = dict(plain={str(BASELINE)!r}, cbam=dict(config={str(CBAM)!r}, seeds=[3]))',
            "arm 'cbam' has seeds of its own",
        ),
    ],
)
def test_a_start_that_cannot_be_is_one_message(plan, lines, message):
    with pytest.raises(UserError, match=message):
        plan(f'{lines}\n')


def test_arms_that_begin_as_the_baseline_pass(start):
    config, checkpoint = start
    arms = {'plain': config, 'cbam': with_attention(config, identity_init=True)}
    check_identity(arms, 'plain', checkpoint)


def test_an_arm_that_changes_the_detections_is_named(start):
    config, checkpoint = start
    arms = {'plain': config, 'cbam': with_attention(config, identity_init=False)}
    with pytest.raises(UserError, match="arm 'cbam' does not start as the baseline.*identity_init"):
        check_identity(arms, 'plain', checkpoint)
    check_identity(arms, 'plain', checkpoint, exact=False)


def test_a_start_of_another_model_is_named(start, tmp_path):
    config, checkpoint = start
    wider = copy.deepcopy(config)
    wider.model.backbone.base_channels = 16
    with pytest.raises(UserError, match="arm 'wide' cannot start: .*of another model"):
        check_identity({'plain': config, 'wide': wider}, 'plain', checkpoint)
    weights = torch.load(checkpoint)['state_dict']
    torch.save({k: v for k, v in weights.items() if 'bbox_head' not in k}, tmp_path / 'half.pth')
    with pytest.raises(UserError, match=r"arm 'plain' cannot start: .* missing \(bbox_head"):
        check_identity({'plain': config}, 'plain', str(tmp_path / 'half.pth'))


def test_frozen_identity_attention_reproduces_the_run_of_the_baseline(scenes, tmp_path):
    """Inserting attention shifts no random stream: the order of the images, the initial weights."""
    rates = {name: dict(lr_mult=0.0) for name in ('spatialattn', 'spatialattn.alpha')}
    frozen = {'optim_wrapper.paramwise_cfg': dict(custom_keys=rates)}
    plan = small_plan(
        scenes,
        arms=(Arm('plain', BASELINE), Arm('cbam', CBAM, overrides=frozen)),
        seeds=(0,),
        overrides={
            'data_root': str(scenes),
            'train_cfg.max_epochs': 2,
            'train_dataloader.dataset.indices': 8,
            'optim_wrapper.clip_grad': None,  # the norm would count frozen attention too
        },
    )
    sweep = check(plan, tmp_path / 'sweep')
    statuses = launch(plan.runs, sweep.folder, config_of=sweep.config_of, jobs=2)
    assert [status.phase for status in statuses] == ['finished', 'finished']
    plain, cbam = (
        torch.load(sweep.folder / run.name / 'epoch_2.pth', weights_only=False)['state_dict']
        for run in plan.runs
    )
    own = [name for name in cbam if 'spatialattn' in name]
    assert own and set(cbam) - set(own) == set(plain)
    assert all(torch.equal(cbam[name], plain[name]) for name in plain)
    health = read_record(plan.runs[1], sweep.folder).health
    assert (health.verdict, health.distance, health.alpha) == ('never trained', 0.0, (0.0, 0.0))


def test_the_name_of_the_start_is_a_run():
    assert START == 'start'


def test_a_plan_declares_its_question_before_the_runs(plan):
    assert plan().questions == () and plan().delta == 0.5
    asked = plan("question = dict(metric='AP', scope='crowded')\ndelta = 1\n")
    assert asked.questions == (('AP', 'crowded'),) and asked.delta == 1
    several = plan("question = [dict(metric='AP', scope=s) for s in ('overall', 'touching')]\n")
    assert several.questions == (('AP', 'overall'), ('AP', 'touching'))
    for lines, message in (
        ("question = 'AP'", r'question must be dict\(metric='),
        ("question = dict(metric='AP')", r'question must be dict\(metric='),
        ('delta = 0', 'delta must be a number of AP points above 0, got 0'),
    ):
        with pytest.raises(UserError, match=message):
            plan(f'{lines}\n')


def test_the_page_shows_a_plan_that_reads_again(plan, tmp_path, monkeypatch):
    from mmdet_spatialattn.experiments.collect import summarise
    from mmdet_spatialattn.report.sweep_text import plan_file

    monkeypatch.chdir(tmp_path)

    monkeypatch.chdir(tmp_path)

    planned = plan("question = dict(metric='AP', scope='crowded')\n")
    (tmp_path / 'again.json').write_text(plan_file(summarise(planned)))
    again = load_plan(tmp_path / 'again.json')
    assert again.start == planned.start and again.questions == planned.questions
    assert [arm.name for arm in again.arms] == ['plain', 'cbam', PLACEBO]


def test_the_page_names_what_the_effects_are_of(plan):
    from mmdet_spatialattn.experiments.collect import summarise
    from mmdet_spatialattn.report.sweep_text import _estimand

    assert _estimand(summarise(plan())).endswith('given this start')
    several = plan("start = dict(arm='plain', epochs=3, seeds=[4, 5])\n")
    assert _estimand(summarise(several)).endswith('over 2 starts')
    scratch = plan("start = 'scratch'\nfine_tuning = {}\n")
    assert _estimand(summarise(scratch)).startswith('trained')
