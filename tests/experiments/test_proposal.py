"""A proposal for a detector: the start that fits, the arms, the questions, and what is refused."""

from pathlib import Path

import pytest
import torch

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.cli import main
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.config import arm_config, coco_files, start_config
from mmdet_spatialattn.experiments.own_data import classes_of
from mmdet_spatialattn.experiments.proposal import (
    Proposal,
    _Timing,
    duration,
    parse_duration,
    propose,
)
from mmdet_spatialattn.io import read_json, write_json

from .sets import BASELINE, save_weights, small_cells, small_scenes


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    """Small scenes, of whose training set the proposals hold a part out."""
    return small_scenes(tmp_path_factory.mktemp('set') / 'scenes')


@pytest.fixture(scope='module')
def cells(tmp_path_factory):
    return small_cells(tmp_path_factory.mktemp('cells'))


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory):
    """Weights of the narrow detector for two classes in another order, and for its ten digits."""
    folder = tmp_path_factory.mktemp('checkpoints')
    for name, classes in (('cells', ('white', 'red')), ('digits', tuple('0123456789'))):
        save_weights(BASELINE, classes, folder / f'{name}.pth')
    return folder


@pytest.fixture
def request_for(cells, checkpoints, tmp_path):
    """Return a function that proposes with the usual arguments, and changes of them."""

    def request_for(**changes):
        options = dict(
            folder=tmp_path / 'try',
            data=[cells, cells],
            load_from=str(checkpoints / 'cells.pth'),
            seeds=2,
        )
        attention = changes.pop('attention', ['SE'])
        return propose(BASELINE, attention, **{**options, **changes})

    return request_for


def test_a_checkpoint_that_fits_is_the_start_of_all_arms(request_for, cells, checkpoints):
    proposal = request_for(attention=['CBAM', 'ECA'])
    plan = proposal.plan
    names = ['baseline', 'control', 'cbam-neck', 'eca-neck', 'placebo']
    assert [arm.name for arm in plan.arms] == names and plan.seeds == (0, 1)
    assert plan.start.checkpoint == str(checkpoints / 'cells.pth')
    assert plan.control == 'control' and plan.estimand == 'added'
    baseline, *_ = (arm_config(plan, arm) for arm in plan.arms)
    assert classes_of(baseline) == ('white', 'red')  # as the checkpoint's labels are ordered
    assert baseline.model.bbox_head.num_classes == 2
    assert coco_files(baseline.test_dataloader).annotations == cells
    assert plan.fine_tuning['train_cfg.max_epochs'] == 30  # of 10 steps each
    assert plan.fine_tuning['optim_wrapper.optimizer.lr'] == pytest.approx(3e-4)
    lines = proposal.lines
    assert lines['start'].endswith('whose weights all fit')
    assert '20 to test on, with 80 objects: 40 crowded' in lines['data']
    assert '5 arms x 2 seeds' in lines['runs'] and 'crowded from' in lines['power']
    assert len(str(proposal).splitlines()) <= 10
    assert Proposal.read(Path(proposal.folder, 'proposal.json')) == proposal


def test_a_config_that_trains_by_iterations_is_compared_by_iterations(request_for, checkpoints):
    overrides = {
        'train_cfg': dict(_delete_=True, type='IterBasedTrainLoop', max_iters=40),
        'param_scheduler': [],
    }
    proposal = request_for(steps=25, overrides=overrides, load_from=str(checkpoints / 'digits.pth'))
    plan = proposal.plan
    assert (plan.start.arm, plan.start.iterations) == ('baseline', 40)
    assert start_config(plan).train_cfg.max_iters == 40
    config = arm_config(plan, plan.arms[0])
    assert config.train_cfg.max_iters == 25
    assert [scheduler['by_epoch'] for scheduler in config.param_scheduler] == [False, False]
    assert 'schedule of 40 iterations' in proposal.lines['start']
    assert '25 iterations' in proposal.lines['training']


def test_the_same_request_is_read_again_and_another_is_refused(request_for, monkeypatch):
    proposal = request_for()
    monkeypatch.setattr('mmdet_spatialattn.experiments.proposal.prepare_trial', None)
    assert request_for() == proposal
    with pytest.raises(UserError, match='holds another proposal .*seeds 2 instead of 3'):
        request_for(seeds=3)
    assert request_for() == proposal


def test_a_checkpoint_with_other_classes_is_where_the_start_is_trained_from(
    request_for, checkpoints
):
    proposal = request_for(load_from=str(checkpoints / 'digits.pth'))
    start = proposal.plan.start
    assert (start.arm, start.epochs) == ('baseline', 4)
    assert start.overrides['load_from'] == str(checkpoints / 'digits.pth')
    assert start.overrides['optim_wrapper.optimizer.lr'] == 3e-3
    assert 'whose heads are of other classes' in proposal.lines['start']
    assert 'now have 2 classes' in proposal.lines['note']


def test_one_file_is_split_and_only_what_it_can_answer_is_asked(request_for, cells, tmp_path):
    with pytest.raises(UserError, match='the test set is too small: all: 16 objects'):
        request_for(data=cells)
    assert not (tmp_path / 'try').exists()
    more = small_cells(tmp_path, images=80)
    content = read_json(more)
    crowding = [12, 12, 30, 30]  # without these boxes nothing is crowded
    content['annotations'] = [a for a in content['annotations'] if a['bbox'] != crowding]
    write_json(more, content)
    proposal = request_for(data=more)
    assert '64 images to train on; 16 to test on' in proposal.lines['data']
    assert '0 crowded (too few to ask about)' in proposal.lines['data']
    assert [scope for _, scope in proposal.plan.questions] == ['overall', 'clean']
    assert 'held out here' in proposal.lines['note']


def test_a_config_with_data_of_its_own_keeps_it(scenes, tmp_path):
    proposal = propose(
        BASELINE, ['SE'], at='both', folder=tmp_path / 'try', overrides={'data_root': str(scenes)}
    )
    assert [arm.name for arm in proposal.plan.arms][2] == 'se-both'
    config = arm_config(proposal.plan, proposal.plan.arms[0])
    assert coco_files(config.test_dataloader).annotations == scenes / 'annotations/val.json'
    assert proposal.plan.start.arm == 'baseline' and proposal.plan.seeds == (0, 1, 2)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(attention=['CBMA']), "^unknown attention 'CBMA'; did you mean 'CBAM'"),
        (dict(attention=['SE', 'SE']), "arm 'se-neck' is asked for twice"),
        (dict(at='layer9'), "no module of the detector matches 'layer9'"),
        (dict(seeds=1), 'seeds must be at least 2, because one shows nothing, got 1'),
        (dict(steps=0), 'steps must be at least 1, got 0'),
        (dict(images='/nowhere'), '^20 of the 20 images of .*cells.json are not in /nowhere'),
        (dict(data=['a', 'b', 'c']), 'expected one annotation file, or two'),
        (dict(load_from='none.pth'), 'none.pth'),
        (dict(seeds=None, budget=0.001), 'a budget of 0 seconds is too small: two seeds'),
    ],
)
def test_a_mistake_is_said_and_leaves_nothing(request_for, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        request_for(**changes)
    assert not (tmp_path / 'try').exists()


def test_a_checkpoint_of_another_architecture_is_refused(request_for, tmp_path):
    torch.save({'state_dict': {'fc.weight': torch.zeros(2)}}, tmp_path / 'other.pth')
    with pytest.raises(UserError, match=r'other.pth is a checkpoint of another model: 0 of \d+'):
        request_for(load_from=str(tmp_path / 'other.pth'))


def test_a_folder_with_other_files_is_left_alone(request_for, tmp_path):
    (tmp_path / 'try').mkdir()
    (tmp_path / 'try/mine.txt').touch()
    with pytest.raises(UserError, match='holds other files'):
        request_for()
    assert (tmp_path / 'try/mine.txt').exists()


def test_a_budget_is_as_many_seeds_as_fit():
    timing = _Timing(start=10, run=2, n_arms=5, jobs=2)
    assert timing.minutes(4) == 30
    assert timing.affordable(30) == 4 and timing.affordable(34.9) == 4
    assert timing.affordable(1e4) == 12
    with pytest.raises(UserError, match='two seeds, .* take 20 minutes'):
        timing.affordable(19)


@pytest.mark.parametrize(('text', 'minutes'), [('2h', 120), ('90m', 90), ('1.5 hours', 90)])
def test_durations(text, minutes):
    assert parse_duration(text) == minutes
    assert duration(150) == '2.5 hours'


@pytest.mark.parametrize('text', ['2', 'h', '0m', '-1h', '2 days'])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UserError, match='such as 2h or 90m'):
        parse_duration(text)


def test_the_command_writes_a_plan_and_runs_nothing(cells, checkpoints, tmp_path, capsys):
    argv = [
        *('try', str(BASELINE), '--attention', 'CBAM', '--data', str(cells), str(cells)),
        *('--load-from', str(checkpoints / 'cells.pth'), '--seeds', '2'),
    ]
    assert main([*argv, '--write-plan', str(tmp_path / 'plan')]) == 0
    out = capsys.readouterr().out
    assert f'Next: spatialattn sweep {tmp_path / "plan/plan.py"} --work-dir' in out
    assert not (tmp_path / 'plan/runs').exists()
    assert main([*argv, '--work-dir', str(tmp_path / 'plan')]) == 2  # nobody can be asked
    assert 'add --yes' in capsys.readouterr().err
    assert main([*argv, '--budget', '2h']) == 2
    assert 'not allowed with argument --seeds' in capsys.readouterr().err
