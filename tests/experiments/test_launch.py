"""Runs are trained and tested once, fail alone, and are never mixed with those of another plan."""

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.launch import FINISHED, _Work, launch, log_of
from mmdet_spatialattn.experiments.plan import Arm, Run

CONFIG = 'configs/clutter_digits/retinanet_r18-narrow_fpn_4e_clutter-digits.py'


@pytest.fixture
def runs(repository):
    return [Run(Arm(name, repository / CONFIG), 7) for name in ('a', 'b')]


def finish(runs, folder):
    for run in runs:
        (folder / run.name).mkdir(parents=True)
        (folder / run.name / FINISHED).write_text('{}')


def test_finished_runs_are_recognised_and_their_configs_written(runs, tmp_path):
    finish(runs, tmp_path)
    seen = []
    states = launch(runs, tmp_path, {'data_root': 'elsewhere'}, watch=seen.append)
    assert [state.phase for state in states] == ['finished', 'finished']
    assert [state.share for state in states] == [1, 1]
    assert len(seen) == 1
    text = (tmp_path / 'a/seed_7/planned/config.py').read_text()
    assert "data_root='elsewhere/'" in text and 'randomness = dict(seed=7)' in text
    assert 'data/clutter_digits' not in text
    assert not log_of(runs[0], tmp_path).exists()


def test_a_folder_with_runs_of_another_config_is_refused(runs, tmp_path):
    finish(runs, tmp_path)
    launch(runs, tmp_path)
    launch(runs, tmp_path)
    with pytest.raises(UserError, match='holds a run with another config'):
        launch(runs, tmp_path, {'optim_wrapper.optimizer.lr': 0.5})


def test_a_run_that_fails_says_why_in_its_log_and_stops_no_other(runs, tmp_path):
    finish(runs[1:], tmp_path)
    states = launch(runs, tmp_path, {'data_root': str(tmp_path / 'absent')}, period=0.1)
    assert [state.phase for state in states] == ['failed', 'finished']
    log = log_of(runs[0], tmp_path).read_text()
    assert '$ spatialattn train' in log and str(tmp_path / 'absent') in log
    assert 'Traceback' not in log
    assert not (tmp_path / runs[0].name / FINISHED).exists()


def test_progress_is_read_from_the_last_command_in_the_log(runs, tmp_path):
    work = _Work(runs[0], tmp_path / runs[0].name, {})  # four epochs
    log = log_of(runs[0], tmp_path)
    work.phase = 'training'
    assert work.state().share == 0 and work.state().epoch == 0
    log.write_text(
        '\n$ spatialattn train x\n'
        '11/21 - mmengine - INFO - Epoch(train) [1][ 50/500]  lr: 1e-4  loss: 1.5  loss_cls: 0.9\n'
        '11/21 - mmengine - INFO - Epoch(train) [2][250/500]  lr: 1e-4  loss: 0.7  loss_cls: 0.3\n'
    )
    state = work.state()
    assert (state.phase, state.epoch, state.loss) == ('training', 2, 0.7)
    assert state.share == pytest.approx(0.95 * 1.5 / 4)
    with log.open('a') as file:
        file.write('\n$ spatialattn test x\n11/21 - INFO - Epoch(test)  [ 50/100]    eta: 0\n')
    work.phase = 'testing'
    state = work.state()
    assert (state.phase, state.epoch, state.loss) == ('testing', 0, None)
    assert state.share == pytest.approx(0.975)
