"""Runs are executed by Slurm and Ray as they are here, and a lost one is tried again."""

import signal
import sys
import time
from pathlib import Path

import pytest

import mmdet_spatialattn
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.launch import launch
from mmdet_spatialattn.experiments.launchers import Local, Ray, Slurm, Task, make_launcher
from mmdet_spatialattn.experiments.record import read_record
from mmdet_spatialattn.results.sweep import FAILED, FINISHED
from tests.experiments.test_launch import PLAN, RUNS, configs_of, run_config


@pytest.fixture(params=['local', 'slurm', 'ray'])
def launcher(request):
    """Each launcher; the jobs of Slurm's client and Ray's workers are on this machine."""
    if request.param == 'ray':
        ray = pytest.importorskip('ray')
        yield make_launcher('ray', ['num_cpus=1'])
        ray.shutdown()
    elif request.param == 'slurm':
        pytest.importorskip('submitit')
        yield make_launcher('slurm', ['cluster=local', 'timeout_min=5'])
    else:
        yield make_launcher('local')


def ended(execution, seconds=120):
    deadline = time.monotonic() + seconds
    while (code := execution.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return code


def test_a_task_is_executed_and_its_output_logged(launcher, tmp_path):
    task = Task(('--version',), tmp_path, {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''})
    assert ended(launcher.start(task)) == 0
    command, version = (tmp_path / 'log.txt').read_text().split()[0:3:2]
    assert command == '$' and version == '--version'
    assert mmdet_spatialattn.__version__ in (tmp_path / 'log.txt').read_text()
    assert ended(launcher.start(Task(('nothing',), tmp_path, {'CUDA_VISIBLE_DEVICES': ''}))) == 2


def test_a_task_is_ended(launcher, tmp_path):
    if isinstance(launcher, Slurm):
        pytest.skip('Slurm ends a job with its processes; its local stand-in ends only the first')
    task = Task(('scenes', '--images', '100000', '--out', str(tmp_path / 'set')), tmp_path,
                {'CUDA_VISIBLE_DEVICES': ''})  # fmt: skip
    execution = launcher.start(task)
    time.sleep(3)
    assert execution.poll() is None
    execution.stop()
    deadline = time.monotonic() + 60
    while execution.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_sweep_notes_where_its_runs_were_executed(launcher, tmp_path):
    configs = configs_of(PLAN)

    def config_of(run):
        config = run_config(configs[run.arm], run.seed, tmp_path / run.name)
        config.merge_from_dict({'train_dataloader.dataset.dataset.data_root': str(tmp_path / 'no')})
        return config

    statuses = launch(RUNS[:1], tmp_path, config_of=config_of, launcher=launcher, period=0.1)
    assert [status.phase for status in statuses] == ['failed']
    assert read_record(RUNS[0], tmp_path).state == FAILED != FINISHED
    assert str(tmp_path / 'no') in (tmp_path / RUNS[0].log).read_text()
    noted = (tmp_path / RUNS[0].name / 'environment.json').is_file()
    assert noted == (not isinstance(launcher, Local))


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere nothing is forked')
def test_tasks_end_with_the_process_that_they_are_forked_from(tmp_path):
    launcher = Local()
    argv = ('scenes', '--images', '100000', '--out', str(tmp_path / 'set'))
    execution = launcher.start(Task(argv, tmp_path, {'CUDA_VISIBLE_DEVICES': ''}))
    told = launcher.template.told[0]
    deadline = time.monotonic() + 120
    while 'pid' not in told:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    launcher.template.process.kill()
    launcher.template.process.wait()
    assert execution.poll() == -signal.SIGKILL
    while not is_gone(told['pid']):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again = launcher.start(Task(('--version',), tmp_path))  # by a new one
    assert ended(again) == 0


def is_gone(pid):
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except OSError:  # between two looks
        return True
    return state in 'ZX'


class Lost:
    """A launcher whose first machine is lost."""

    def __init__(self):
        self.codes = [-signal.SIGKILL, 0]

    def prepare(self):
        pass

    def threads(self, jobs):
        return 1

    def start(self, task):
        code = self.codes.pop(0)
        return type('Execution', (), {'poll': lambda self: code, 'stop': lambda self: None})()


def test_a_run_whose_machine_is_lost_is_started_once_more(tmp_path):
    configs, launcher = configs_of(PLAN), Lost()
    statuses = launch(
        RUNS[:1],
        tmp_path,
        config_of=lambda run: run_config(configs[run.arm], run.seed, tmp_path / run.name),
        launcher=launcher,
        period=0.01,
    )
    assert [status.phase for status in statuses] == ['finished'] and launcher.codes == []


def test_the_parameters_reach_slurm(tmp_path, monkeypatch):
    """What submitit would hand to sbatch, without a cluster."""
    submitit = pytest.importorskip('submitit')
    from submitit.slurm import slurm

    monkeypatch.setattr(slurm.SlurmExecutor, 'affinity', classmethod(lambda cls: 1))
    launcher = make_launcher('slurm', ['slurm_partition=gpu', 'gpus_per_node=1', 'cpus_per_task=8'])
    assert launcher.threads(3) == 8
    executor = launcher._executor(tmp_path)
    script = executor._executor._make_submission_file_text('command', 'uid')
    for line in ('--partition=gpu', '--gpus-per-node=1', '--cpus-per-task=8', '--time=1440'):
        assert f'#SBATCH {line}' in script, script
    assert isinstance(launcher, Slurm) and submitit


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('lsf', [], "launcher must be one of local, slurm, ray, got 'lsf'"),
        ('local', ['a=1'], "launcher local takes no options, got 'a=1'"),
        ('slurm', ['partition'], "expected options KEY=VALUE, got 'partition'"),
        ('slurm', ['cluster=local', 'nonsense=1'], 'launcher slurm: .*nonsense'),
        ('slurm', ['cluster=lsf'], 'launcher slurm: .*lsf'),
    ],
)
def test_a_wrong_option_is_one_message(name, options, message):
    if name == 'slurm':
        pytest.importorskip('submitit')
    with pytest.raises(UserError, match=message):
        make_launcher(name, options)


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(UserError, match=r"pip install 'mmdet_spatialattn\[ray\]'"):
        Ray({})
