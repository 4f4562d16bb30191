"""``spatialattn power``: what a pilot could see, and what a smaller effect takes."""

import json

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.cli.power import main
from mmdet_spatialattn.cli.sweep import main as sweep
from mmdet_spatialattn.comparison.power import Design, detectable, stored_components
from mmdet_spatialattn.results import Power, SweepResult
from tests.experiments.sets import BASELINE, CBAM, collect_runs, finish, small_plan, small_scenes


@pytest.fixture(scope='module')
def pilot(tmp_path_factory):
    """The folder of a sweep with three seeds."""
    folder = tmp_path_factory.mktemp('power')
    scenes = small_scenes(folder / 'scenes')
    plan = small_plan(scenes, seeds=(0, 1, 2))
    finish(plan, folder / 'sweep', scenes, {'plain': 1, 'cbam': 2})
    collect_runs(plan, folder / 'sweep')
    return folder / 'sweep'


def test_it_says_what_seeds_an_effect_takes(pilot, tmp_path, capsys):
    argv = [str(pilot), '--effect', '20', '--json', str(tmp_path / 'power.json')]
    assert main(argv) == 0
    out = capsys.readouterr().out
    stored = json.loads((tmp_path / 'power.json').read_text())
    needed = stored.pop('needed')
    power = Power.from_dict(stored)
    assert power == SweepResult.read(pilot / 'verdict.json').comparison.power['AP overall']
    assert needed['sentence'] in out and f'with {needed["seeds"]} seeds' in needed['sentence']
    assert needed['hours'] is None

    def smallest(seeds):
        design = Design(seeds, power.n_arms, level=power.level)
        return detectable(stored_components(power), design)

    assert smallest(needed['seeds']) <= 0.2
    assert needed['seeds'] == 2 or smallest(needed['seeds'] - 1) > 0.2


def test_an_effect_that_the_test_images_hide_is_not_promised_to_more_seeds(pilot, tmp_path, capsys):
    assert main([str(pilot), '--effect', '0.2', '--json', str(tmp_path / 'power.json')]) == 0
    needed = json.loads((tmp_path / 'power.json').read_text())['needed']
    assert needed['seeds'] is None
    images = needed['images']
    expected = 'out of reach' if images is None else f'about {images} instead of 12'
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--scope', 'overal'], "unknown scope 'overal'; did you mean 'overall'"),
        (['--effect', '0'], '--effect must be above 0, got 0'),
    ],
)
def test_a_mistake_is_one_line(pilot, capsys, argv, message):
    assert main([str(pilot), *argv]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1


def test_a_folder_without_a_pilot_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert 'run the sweep with at least two seeds first' in capsys.readouterr().err


def test_a_pilot_of_one_seed_is_one_line(pilot, tmp_path, capsys):
    scenes = pilot.parent / 'scenes'
    plan = small_plan(scenes, seeds=(0,))
    finish(plan, tmp_path, scenes, {'plain': 1, 'cbam': 2})
    collect_runs(plan, tmp_path)
    assert main([str(tmp_path)]) == 2
    assert 'the pilot has one seed per arm' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--delta', '0.5'], '--max-seeds and --delta need --until-clear'),
        (['--until-clear', '--max-seeds', '1'], 'looks (1,): expected increasing numbers of seeds'),
        (['--until-clear', '--delta', '0'], 'delta 0.0: expected a positive difference'),
    ],
)
def test_looks_that_make_no_sense_are_one_line(tmp_path, capsys, argv, message):
    plan = tmp_path / 'plan.py'
    arms = f'dict(plain={str(BASELINE)!r}, cbam={str(CBAM)!r})'
    plan.write_text(f"baseline = 'plain'\nseeds = [0]\narms = {arms}\n")
    assert sweep([str(plan), '--work-dir', str(tmp_path / 'out'), *argv]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
    assert not (tmp_path / 'out').exists()
