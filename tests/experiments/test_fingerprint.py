"""A run is recognised by what it is, wherever it lies."""

import shutil
from dataclasses import replace

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.config import run_config
from mmdet_spatialattn.experiments.fingerprint import FINGERPRINT, PLANNED, claim_run, fingerprint
from mmdet_spatialattn.experiments.sweep import MANIFEST, collect_sweep, protocol
from mmdet_spatialattn.io import read_json, write_json
from tests.experiments.sets import configs_of, finish, small_plan, small_scenes


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    """A folder with scenes and the finished runs of four seeds."""
    home = tmp_path_factory.mktemp('home')
    scenes, plan = small_scenes(home / 'scenes'), small_plan(home / 'scenes', seeds=(0, 1, 2, 3))
    finish(plan, home / 'runs', scenes, {'plain': 3, 'cbam': 1})
    write_json(home / 'runs' / MANIFEST, protocol(plan))
    return home


@pytest.fixture(scope='module')
def whole(home):
    """What these runs were collected to, which wrote their fingerprints."""
    return collect_sweep(plan_at(home), home / 'runs')


def plan_at(home, **changes):
    return small_plan(home / 'scenes', **{'seeds': (0, 1, 2, 3), **changes})


def config_of(plan, run, folder):
    return run_config(configs_of(plan)[run.arm], run.seed, folder / run.name)


def without_paths(result):
    """What ``verdict.json`` holds, but for the paths of the plan."""
    content = result.to_dict()
    del content['plan']['overrides']['data_root']
    return content


def test_a_run_is_the_same_in_another_folder_and_with_moved_data(home, tmp_path):
    shutil.copytree(home / 'scenes', tmp_path / 'elsewhere')
    here, there = plan_at(home), small_plan(tmp_path / 'elsewhere')
    run = here.runs[0]
    mine, moved = config_of(here, run, home), config_of(there, run, tmp_path)
    moved.train_dataloader.num_workers = 7
    assert moved.train_dataloader.dataset.dataset != mine.train_dataloader.dataset.dataset
    assert fingerprint(moved) == fingerprint(mine)
    assert str(tmp_path) not in str(fingerprint(moved))
    assert fingerprint(config_of(here, replace(run, seed=9), home)) != fingerprint(mine)


@pytest.mark.parametrize(
    'changed', ['annotations/train_mixed.json', 'images/train_00000_level0.png']
)
def test_a_run_with_other_data_is_another(home, tmp_path, changed):
    shutil.copytree(home / 'scenes', tmp_path / 'scenes')
    with (tmp_path / 'scenes' / changed).open('r+b') as file:
        file.seek(0, 2)
        file.write(b' ')
    run = plan_at(home).runs[0]
    claim_run(tmp_path / 'run', config_of(plan_at(home), run, home))
    with pytest.raises(UserError, match=r"(ann_file|data_prefix) 'content \w{16}' in the plan, 'c"):
        claim_run(tmp_path / 'run', config_of(plan_at(tmp_path), run, home))


def test_a_message_shows_what_differs_and_never_advises_deleting(home, tmp_path):
    plain, cbam = plan_at(home).runs[:2]
    claim_run(tmp_path, config_of(plan_at(home), plain, home))
    changes = {'optim_wrapper.optimizer.lr': 0.5, 'model.neck.out_channels': 32}
    changes['data_root'] = str(home / 'scenes')
    with pytest.raises(UserError) as caught:
        claim_run(tmp_path, config_of(plan_at(home, overrides=changes), plain, home))
    message = str(caught.value)
    assert 'model.neck.out_channels 32 in the plan, 64 in the folder' in message
    assert 'optim_wrapper.optimizer.lr 0.5 in the plan, 0.003 in the folder' in message
    assert 'change the plan back, or give another folder' in message and 'delete' not in message
    with pytest.raises(UserError, match=r'and \d+ more keys\)'):
        claim_run(tmp_path, config_of(plan_at(home), cbam, home))


def test_a_folder_that_holds_the_config_alone_is_recognised(home, tmp_path):
    """Version 0.1 wrote no fingerprint; it is written now, with what is known."""
    run = plan_at(home).runs[0]
    config = config_of(plan_at(home), run, tmp_path / 'old')
    (tmp_path / PLANNED).parent.mkdir()
    config.dump(tmp_path / PLANNED)
    claim_run(tmp_path, config_of(plan_at(home), run, tmp_path / 'new'))
    assert read_json(tmp_path / FINGERPRINT) == fingerprint(config)
    (tmp_path / FINGERPRINT).unlink()
    with pytest.raises(UserError, match='randomness.seed 5 in the plan, 0 in the folder'):
        claim_run(tmp_path, config_of(plan_at(home), replace(run, seed=5), tmp_path))


def test_data_that_is_not_here_stays_known_by_its_content(home, tmp_path):
    run = plan_at(home).runs[0]
    config = config_of(plan_at(home), run, tmp_path)
    claim_run(tmp_path, config)
    before = read_json(tmp_path / FINGERPRINT)
    claim_run(tmp_path, config_of(small_plan(tmp_path / 'gone'), run, tmp_path))
    assert read_json(tmp_path / FINGERPRINT) == before


def test_a_moved_sweep_is_collected_to_the_same_verdict(home, whole, tmp_path):
    shutil.copytree(home, tmp_path / 'moved')
    moved = collect_sweep(plan_at(tmp_path / 'moved'), tmp_path / 'moved/runs')
    assert without_paths(moved) == without_paths(whole)


def test_two_halves_of_a_sweep_join_to_the_whole(home, whole, tmp_path):
    """Half of the seeds come from another machine: their folders are copied, and nothing else."""
    shutil.copytree(home / 'scenes', tmp_path / 'scenes')
    runs = tmp_path / 'runs'
    write_json(runs / MANIFEST, protocol(plan_at(tmp_path, seeds=(0, 1))))
    for run in whole.runs:
        shutil.copytree(home / 'runs' / run.name, runs / run.name)
    joined = collect_sweep(plan_at(tmp_path), runs)
    assert without_paths(joined) == without_paths(whole)


def test_a_run_of_another_sweep_does_not_join(home, whole, tmp_path):
    shutil.copytree(home / 'runs', tmp_path / 'runs')
    shutil.copy(tmp_path / 'runs/plain/seed_3' / FINGERPRINT, tmp_path / 'runs/cbam/seed_3/planned')
    with pytest.raises(UserError, match='cbam/seed_3 holds a run with another config'):
        collect_sweep(plan_at(home), tmp_path / 'runs')
