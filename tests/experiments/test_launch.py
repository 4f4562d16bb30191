"""Runs are trained and tested once, fail alone, and are never mixed with those of another plan."""

import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.config import run_config
from mmdet_spatialattn.experiments.launch import _check_failures, _Job, launch
from mmdet_spatialattn.experiments.launchers import Local, _Child
from mmdet_spatialattn.experiments.plan import Arm, Plan
from mmdet_spatialattn.experiments.record import RECORD, read_record, write_record
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.results.sweep import FAILED, FINISHED, WAITING
from tests.experiments.sets import BASELINE, configs_of

ARMS = tuple(Arm(name, BASELINE) for name in 'ab')
PLAN = Plan('small', ARMS, baseline='a', seeds=(7,))
RUNS = PLAN.runs


def launched(folder, overrides={}, runs=RUNS, **options):
    """Launch the runs of the plan, with changes of all configs."""
    configs = configs_of(replace(PLAN, overrides=overrides))

    def config_of(run):
        return run_config(configs[run.arm], run.seed, folder / run.name)

    return launch(runs, folder, config_of=config_of, **options)


def finish(runs, folder):
    for run in runs:
        write_record(run, folder, FINISHED)


def test_finished_runs_are_recognised_and_nothing_is_started(tmp_path):
    finish(RUNS, tmp_path)
    seen = []
    statuses = launched(tmp_path, watch=seen.append)
    assert [status.phase for status in statuses] == ['finished', 'finished']
    assert [status.share for status in statuses] == [1, 1]
    assert len(seen) == 1
    assert not (tmp_path / RUNS[0].log).exists()


def test_a_folder_with_runs_of_another_config_is_refused(tmp_path):
    finish(RUNS, tmp_path)
    launched(tmp_path)
    launched(tmp_path)
    with pytest.raises(UserError, match=r'with another config \(optim_wrapper.optimizer.lr 0.5 in'):
        launched(tmp_path, {'optim_wrapper.optimizer.lr': 0.5})


def test_a_run_that_fails_says_why_in_its_log_and_stops_no_other(tmp_path):
    finish(RUNS[1:], tmp_path)
    statuses = launched(tmp_path, {'data_root': str(tmp_path / 'absent')}, period=0.1)
    assert [status.phase for status in statuses] == ['failed', 'finished']
    log = (tmp_path / RUNS[0].log).read_text()
    assert '$ spatialattn train' in log and str(tmp_path / 'absent') in log
    assert 'Traceback' not in log
    assert read_record(RUNS[0], tmp_path).state == FAILED


def test_two_runs_that_fail_alike_stop_the_rest(tmp_path, monkeypatch):
    def start(job, command, threads):
        job.log.write_text(
            f'\n$ spatialattn {command[0]} {job.run.name}\nTraceback\nno memory left\n'
        )
        job.process = _Child(subprocess.Popen(['false'], start_new_session=True))

    monkeypatch.setattr(_Job, '_start', start)
    plan, seen = replace(PLAN, seeds=(7, 8)), []
    with pytest.raises(UserError, match='a/seed_7 and b/seed_7 failed alike') as caught:
        launched(tmp_path, runs=plan.runs, period=0.01, watch=seen.append)
    assert f'no memory left (log: {tmp_path}/a/seed_7/log.txt); correct' in str(caught.value)
    assert {status.error for statuses in seen for status in statuses} == {
        '',
        'Traceback\nno memory left',
    }
    assert [read_record(run, tmp_path).state for run in plan.runs] == [
        FAILED,
        FAILED,
        *[WAITING] * 2,
    ]


def test_runs_that_fail_differently_or_after_a_finished_one_stop_nothing(tmp_path):
    jobs = [_Job(run, tmp_path, configs_of(PLAN)[run.arm], 'cpu') for run in RUNS]
    for job in jobs:
        job.phase = FAILED
        job.log.write_text(f'\n$ spatialattn train\nTraceback\n  {job.run.name} is at fault\n\n')
    assert jobs[0].error() == 'Traceback\n  a/seed_7 is at fault'
    _check_failures(jobs)
    jobs[1].log.write_text(jobs[0].log.read_text())
    _check_failures(jobs[:1])
    with pytest.raises(UserError, match='no further run is started:   a/seed_7 is at fault'):
        _check_failures(jobs)
    jobs[0].phase = FINISHED
    _check_failures(jobs)


def test_a_failed_run_is_tried_again_and_is_waiting_until_it_ends(tmp_path):
    write_record(RUNS[0], tmp_path, FAILED)
    config = configs_of(replace(PLAN, overrides={'data_root': 'elsewhere'}))['a']
    job = _Job(RUNS[0], tmp_path, run_config(config, 7, tmp_path), 'cpu')
    assert job.phase == WAITING
    job.start_next(threads=1)
    try:
        assert job.phase == 'training' and read_record(RUNS[0], tmp_path).state == WAITING
    finally:
        job.stop()
    text = (tmp_path / 'a/seed_7/planned/config.py').read_text()
    assert "data_root='elsewhere/'" in text and 'randomness = dict(seed=7)' in text
    assert 'data/clutter_digits' not in text


def started(monkeypatch, *commands):
    """Let the processes of runs be these instead, one after the other; return the environments."""
    commands, seen = iter(commands), []

    def start(launcher, task):
        task.write_heading()
        seen.append(task.environment.get('CUDA_VISIBLE_DEVICES'))
        with open(task.log, 'ab') as log:
            command = ['sh', '-c', next(commands)]
            return _Child(subprocess.Popen(command, stdout=log, start_new_session=True))

    monkeypatch.setattr(Local, 'start', start)
    return seen


@pytest.mark.parametrize(
    'death',
    ['kill -9 $$', 'echo "RuntimeError: DataLoader worker (pid 7) is killed by signal"; false'],
)
def test_a_run_that_is_killed_from_outside_is_started_once_more(tmp_path, monkeypatch, death):
    started(monkeypatch, death, 'true', death, death)
    first, second = launched(tmp_path, period=0.05)
    assert (first.phase, second.phase) == ('finished', 'failed')
    log = (tmp_path / RUNS[0].log).read_text()
    assert log.count('$ spatialattn train') == 2 and 'it is started once more' in log


def test_an_ordinary_failure_is_not_repeated(tmp_path, monkeypatch):
    started(monkeypatch, 'echo no; false', 'true')
    first, second = launched(tmp_path, period=0.05)
    assert (first.phase, second.phase) == ('failed', 'finished')
    assert (tmp_path / RUNS[0].log).read_text().count('$ spatialattn train') == 1


def test_every_run_has_the_gpu_with_the_fewest_runs(tmp_path, monkeypatch):
    plan = replace(PLAN, seeds=(0, 1, 2))
    seen = started(monkeypatch, *['sleep 0.3'] * 6)
    launched(tmp_path, runs=plan.runs, jobs=3, device='cuda', gpus=('4', '6'), period=0.02)
    assert seen[:3] == ['4', '6', '4'] and set(seen) == {'4', '6'}
    seen = started(monkeypatch, 'true', 'true')
    launched(tmp_path / 'cpu', device='cpu', period=0.02)
    assert seen == ['', '']


def test_a_signal_ends_all_runs(tmp_path, monkeypatch):
    started(monkeypatch, *['sleep 60'] * 2)
    processes = []

    def watch(statuses):
        processes.append([status.phase for status in statuses])
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    start = time.monotonic()
    try:
        with pytest.raises(SystemExit) as ended:
            launched(tmp_path, jobs=2, watch=watch, period=0.05)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 143 and time.monotonic() - start < 30
    assert processes == [['training', 'training']]
    assert [read_record(run, tmp_path).state for run in RUNS] == [WAITING, WAITING]


def test_a_record_of_version_1_is_that_of_a_finished_run(tmp_path):
    run = RUNS[0]
    assert read_record(run, tmp_path) == run
    write_record(run, tmp_path, FINISHED)
    record, path = read_record(run, tmp_path), tmp_path / run.name / RECORD
    assert record.state == FINISHED and record.environment.hardware['device'] == 'CPU'
    content = read_json(path)
    write_json(path, {key: content[key] for key in ('arm', 'seed', 'environment')})
    assert read_record(run, tmp_path) == record
    write_json(path, [])
    with pytest.raises(UserError, match=r'run\.json has format'):
        read_record(run, tmp_path)


def test_progress_of_a_training_by_iterations_is_read(tmp_path):
    config = configs_of(PLAN)['a']
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=500)
    job = _Job(RUNS[0], tmp_path, run_config(config, 7, tmp_path), 'cpu')
    job.phase = 'training'
    (tmp_path / RUNS[0].log).write_text(
        '\n$ spatialattn train x\n11/21 - mmengine - INFO - Iter(train) [ 50/500]  loss: 1.5\n'
    )
    status = job.status()
    assert (status.epoch, status.loss, status.share) == (0, 1.5, pytest.approx(0.095))


def test_progress_is_read_from_the_last_command_in_the_log(tmp_path):
    job = _Job(RUNS[0], tmp_path, configs_of(PLAN)['a'], 'cpu')  # four epochs
    log = tmp_path / RUNS[0].log
    job.phase = 'training'
    assert job.status().share == 0 and job.status().epoch == 0
    log.write_text(
        '\n$ spatialattn train x\n'
        '11/21 - mmengine - INFO - Epoch(train) [1][ 50/500]  lr: 1e-4  loss: 1.5  loss_cls: 0.9\n'
        '11/21 - mmengine - INFO - Epoch(train) [2][250/500]  lr: 1e-4  loss: 0.7  loss_cls: 0.3\n'
    )
    status = job.status()
    assert (status.phase, status.epoch, status.loss) == ('training', 2, 0.7)
    assert status.share == pytest.approx(0.95 * 1.5 / 4)
    with log.open('a') as file:  # the same command tests afterwards
        file.write('11/21 - mmengine - INFO - Epoch(test)  [ 10/100]    eta: 0\n')
    assert (job.status().phase, job.status().share) == ('testing', pytest.approx(0.955))
    with log.open('a') as file:
        file.write('\n$ spatialattn test x\n11/21 - INFO - Epoch(test)  [ 50/100]    eta: 0\n')
    job.phase = 'testing'
    status = job.status()
    assert (status.phase, status.epoch, status.loss) == ('testing', 0, None)
    assert status.share == pytest.approx(0.975)
