"""``spatialattn sweep``: mistakes are found before anything is trained; a kill changes nothing."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmdet_spatialattn.cli.sweep import main
from mmdet_spatialattn.experiments.record import RECORD
from mmdet_spatialattn.io import write_json
from mmdet_spatialattn.results import SweepResult
from tests.experiments.sets import BASELINE, CBAM, finish, small_plan, small_scenes
from tests.processes import run

PLAN = """
name = 'small'
baseline = 'plain'
seeds = [0, 1]
dose = 'level'
group_by = 'scene'
n_boot = 100
overrides = {{'data_root': {scenes!r}}}
arms = dict(plain={plain!r}, cbam={cbam!r})
"""


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp('set') / 'scenes')


@pytest.fixture
def plan(scenes, tmp_path):
    """Write a plan with lines added; return its path."""

    def plan(lines: str = '', **changes: str) -> str:
        values = {'scenes': str(scenes), 'plain': str(BASELINE), 'cbam': str(CBAM), **changes}
        path = tmp_path / 'plan.py'
        path.write_text(PLAN.format(**values) + lines)
        return str(path)

    return plan


@pytest.fixture
def refused(tmp_path, capsys):
    """Run the command; return its one line."""

    def refused(*argv: str) -> str:
        folder = tmp_path / 'runs'
        assert main([*argv, '--work-dir', str(folder)]) == 2
        out, err = capsys.readouterr()
        assert out == '' and err.count('\n') == 1, out + err
        assert not list(folder.rglob('*.pth')) and not list(folder.rglob('planned'))
        return err

    return refused


def test_mistakes_in_the_plan_are_found_first(plan, refused, tmp_path):
    assert "unknown baseline 'plane'; did you mean 'plain'" in refused(plan("baseline = 'plane'\n"))
    assert 'seeds repeat' in refused(plan('seeds = [1, 1]\n'))
    assert "arm 'cbam': no config at" in refused(plan(cbam=str(tmp_path / 'gone.py')))
    assert 'no plan at' in refused(str(tmp_path / 'gone.py'))
    assert "unknown clutter measure 'cuver'; did you mean 'cover'" in refused(
        plan("strata = 'cuver'\n")
    )
    assert "'severity'" in refused(plan("dose = 'severity'\n"))


def test_mistakes_in_the_arms_are_found_first_and_name_the_arm(plan, refused, tmp_path):
    broken = tmp_path / 'broken.py'
    broken.write_text(f"_base_ = {str(CBAM)!r}\nmodel = dict(backbone=dict(of='ResNot'))\n")
    line = refused(plan(cbam=str(broken)))
    assert "arm 'cbam'" in line and 'ResNot' in line
    broken.write_text('model = dict(\n')
    assert "arm 'cbam': config" in (line := refused(plan(cbam=str(broken)))) and 'syntax' in line
    line = refused(plan(scenes=str(tmp_path / 'gone')))
    assert "arm 'plain'" in line and 'gone' in line and 'does not exist' in line
    line = refused(plan(), '--cfg-options', 'modle.neck.num_outs=3')
    assert "has no 'modle'; did you mean 'model'" in line
    other = tmp_path / 'other.py'
    other.write_text(
        f'_base_ = {str(CBAM)!r}\n'
        "test_dataloader = dict(dataset=dict(ann_file='annotations/train.json'))\n"
        f"test_evaluator = dict(ann_file='{tmp_path}/x.json')\n"
    )
    write_json(tmp_path / 'x.json', {})
    assert 'a comparison needs one test set' in refused(plan(cbam=str(other)))


def test_numbers_that_make_no_sense_are_refused(plan, refused):
    assert '--jobs: must be at least 1' in refused(plan(), '--jobs', '0')
    assert '--jobs: must be at least 1' in refused(plan(), '--dry-run', '--jobs', '0')


def test_a_device_that_is_not_there_is_refused(plan, refused):
    import torch

    if torch.cuda.is_available():
        pytest.skip('there is a CUDA device')
    assert 'there is no CUDA device' in refused(plan(), '--device', 'cuda')


def test_a_folder_of_something_else_is_refused(plan, refused, tmp_path):
    (tmp_path / 'runs').mkdir()
    (tmp_path / 'runs/thesis.tex').write_text('')
    assert 'holds other files' in refused(plan())
    (tmp_path / 'runs/thesis.tex').unlink()
    write_json(tmp_path / 'runs/sweep.json', {'plan': 'large'})
    assert 'holds another sweep (plan large instead of small)' in refused(plan())


def test_a_machine_without_mmdetection_is_told_what_to_install(plan, tmp_path):
    code = (
        "import sys; sys.modules['mmdet'] = None\n"
        'from mmdet_spatialattn.cli import main\n'
        'sys.exit(main(sys.argv[1:]))'
    )
    done = run('-c', code, 'sweep', plan(), cwd=tmp_path)
    assert done.code == 2 and done.err.count('\n') == 1, done.err
    assert 'mmdet cannot be imported' in done.err and 'spatialattn doctor' in done.err


def test_a_full_disk_is_noticed(plan, refused, monkeypatch):
    usage = type('Usage', (), {'free': 10**6})
    monkeypatch.setattr('shutil.disk_usage', lambda path: usage)
    line = refused(plan())
    assert '0.0 GiB left' in line and 'give a folder on another disk' in line


def test_a_dry_run_prints_the_runs_and_writes_nothing(plan, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '120')
    folder = tmp_path / 'runs'
    assert main([plan(), '--dry-run', '--work-dir', str(folder), '--jobs', '2']) == 0
    out = capsys.readouterr().out
    assert 'small: 4 runs' in out and '0 of 2' in out and 'cbam' in out
    assert 'minutes with 2 at a time' in out
    assert not folder.exists()


def test_collect_compares_what_is_finished_and_trains_nothing(
    plan, scenes, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv('COLUMNS', '120')
    path, folder = plan(), tmp_path / 'runs'
    finish(small_plan(scenes), folder, scenes, {'plain': 6, 'cbam': 3})
    write_json(folder / 'sweep.json', {'plan': 'small'})
    metafile = tmp_path / 'metafile.yml'
    argv = [path, '--collect', '--work-dir', str(folder), '--metafile', str(metafile)]
    assert main([*argv, '--json', str(tmp_path / 'out.json')]) == 0
    out = capsys.readouterr().out
    assert 'cbam against plain' in out and str(folder / 'report.html') in out
    result = SweepResult.read(tmp_path / 'out.json')
    assert result == SweepResult.read(folder / 'verdict.json') and result.failed == ()
    assert (folder / 'report.md').is_file() and metafile.is_file()
    assert not list(folder.rglob('log.txt'))
    assert main([path, '--dry-run', '--work-dir', str(folder)]) == 0
    out = capsys.readouterr().out
    assert '2 of 2' in out and 'About 0 minutes' in out


def test_collect_of_nothing_writes_nothing(plan, refused, tmp_path):
    lines = 'dose = group_by = None\nseverities = [1]\n'
    assert '0 of 4 runs are finished' in refused(plan(lines), '--collect')
    assert not (tmp_path / 'runs').exists()


@pytest.mark.slow
def test_a_run_that_fails_stops_no_other_and_is_reported(plan, scenes, tmp_path, capsys):
    folder = tmp_path / 'runs'
    finish(small_plan(scenes, seeds=(0,)), folder, scenes, {'plain': 6, 'cbam': 3})
    overrides = {'optim_wrapper.optimizer.type': 'Nothing'}
    bad = f"arms['bad'] = dict(config={str(BASELINE)!r}, overrides={overrides})"
    path = plan(f'seeds = [0]\n{bad}\n')
    write_json(folder / 'sweep.json', {'plan': 'small'})
    assert main([path, '--work-dir', str(folder)]) == 1
    out = capsys.readouterr().out
    assert f'bad/seed_0 failed; its log: {folder}/bad/seed_0/log.txt' in out
    assert 'Nothing' in (folder / 'bad/seed_0/log.txt').read_text()
    (run,) = SweepResult.read(folder / 'verdict.json').failed
    assert (run.name, run.log, run.state) == ('bad/seed_0', 'bad/seed_0/log.txt', 'failed')


@pytest.mark.slow
def test_a_sweep_killed_at_three_random_moments_ends_as_if_undisturbed(plan, tmp_path):
    lines = (
        "seeds = [0]\noverrides |= {'train_cfg.max_epochs': 8, "
        "'train_dataloader.dataset.indices': 12}\n"
    )
    command = [sys.executable, '-m', 'mmdet_spatialattn.cli', 'sweep', plan(lines), '--jobs', '2']
    calm, disturbed = tmp_path / 'calm', tmp_path / 'disturbed'
    start = time.monotonic()
    subprocess.run([*command, '--work-dir', str(calm)], check=True, capture_output=True)
    length = time.monotonic() - start
    moments = [random.uniform(0.3, 0.9) * length for _ in range(3)]
    finished = 0
    for moment in moments:
        process = subprocess.Popen(
            [*command, '--work-dir', str(disturbed)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 60
        while processes_of(disturbed):  # the trainings end with the sweep that started them
            assert time.monotonic() < deadline
            time.sleep(0.1)
        finished = max(finished, len(list(disturbed.rglob(RECORD))))
    done = subprocess.run([*command, '--work-dir', str(disturbed)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = f'killed after {moments} of {length:.0f} s, {finished} runs finished then'
    for name in ('verdict.json', 'plain/seed_0/detections.bbox.json'):
        assert (calm / name).read_bytes() == (disturbed / name).read_bytes(), told


def processes_of(folder):
    """Processes whose command line names the folder."""
    if not Path('/proc').is_dir():
        pytest.skip('processes are looked up in /proc')
    pids = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            pids += [path.parent.name] * (str(folder).encode() in path.read_bytes())
    return pids
