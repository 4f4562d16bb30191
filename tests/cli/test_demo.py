"""``spatialattn demo``, small: what it prints is what it found, and killing it changes nothing."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmdet_spatialattn.cli.demo import _evaluate, _plan, _right, main
from mmdet_spatialattn.datasets.scenes import write_scenes
from mmdet_spatialattn.io import read_json, write_json

SMALL = ['--images', '10', '--epochs', '2']


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """The folder of a demo that was killed in the middle and given again."""
    folder = tmp_path_factory.mktemp('demo') / 'out'
    argv = [*SMALL, '--work-dir', str(folder)]
    command = [sys.executable, '-m', 'mmdet_spatialattn.cli', 'demo', *argv]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (folder / 'cbam-backbone/seed_0/last_checkpoint').is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while processes_of(folder):  # the trainings end with the demo that started them
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not (folder / 'cbam-backbone/seed_0/run.json').exists()
    assert main([*argv, '--json', str(folder / 'results.json')]) == 0
    return folder


def processes_of(folder):
    """Processes whose command line names the folder."""
    if not Path('/proc').is_dir():
        pytest.skip('processes are looked up in /proc')
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            found += [path.parent.name] * (str(folder).encode() in path.read_bytes())
    return found


@pytest.mark.slow
def test_a_killed_demo_goes_on_and_leaves_what_repeats_its_runs(demo):
    results = read_json(demo / 'results.json')
    assert [arm['arm'] for arm in results['arms']] == ['baseline', 'cbam-backbone']
    assert all(list(arm['AP_per_level']) == list('01234') for arm in results['arms'])
    with Image.open(demo / 'detections.png') as picture:
        assert picture.width > 3 * 320 and picture.height > 3 * 320
    for arm in ('baseline', 'cbam-backbone'):
        text = (demo / arm / 'seed_0/planned/config.py').read_text()
        assert ('CBAM' in text) == (arm != 'baseline')
        assert (demo / arm / 'seed_0/epoch_2.pth').is_file()
    assert '--resume' in (demo / 'cbam-backbone/seed_0/log.txt').read_text()


@pytest.mark.slow
def test_a_finished_demo_only_prints_again(demo, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '120')  # a narrow table breaks its headings

    def times():
        files = (path for path in demo.rglob('*') if path.is_file() and path.suffix != '.png')
        return {path: path.stat().st_mtime_ns for path in files}

    before = times()
    assert main([*SMALL, '--work-dir', str(demo)]) == 0
    out = capsys.readouterr().out
    assert 'cbam-backbone' in out and 'level 4' in out and 'difference' in out
    assert times() == before


def test_the_numbers_are_those_of_pycocotools(tmp_path):
    rng = np.random.default_rng(0)
    write_scenes(tmp_path / 'scenes', images=20)
    path = tmp_path / 'scenes/annotations/val.json'
    truth, plan = COCO(str(path)), _plan(seed=3)
    for run in plan.runs:
        found = [
            {
                'image_id': annotation['image_id'],
                'category_id': int(rng.choice([annotation['category_id'], 1])),
                'bbox': (np.array(annotation['bbox']) + rng.normal(0, 2, 4)).tolist(),
                'score': rng.random(),
            }
            for annotation in truth.anns.values()
        ]
        write_json(tmp_path / run.name / 'detections.bbox.json', found)
    results = _evaluate(plan, tmp_path)
    assert results['n_images'] == 4 * 5
    for arm in results['arms']:
        found = truth.loadRes(str(tmp_path / arm['arm'] / 'seed_3/detections.bbox.json'))
        expected = []
        for level in (None, *range(5)):
            evaluator = COCOeval(truth, found, 'bbox')
            evaluator.params.imgIds = [
                image['id'] for image in truth.imgs.values() if level in (None, image['level'])
            ]
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
            expected.append(evaluator.stats[:2])
        assert [arm['AP'], arm['AP50']] == list(expected[0])
        assert list(arm['AP_per_level'].values()) == [stats[0] for stats in expected[1:]]
        assert 0.1 < arm['AP'] < 0.9


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--epochs', '0'], 'epochs must be at least 1'),
        (['--images', '0'], 'images must be at least 2'),
        (['--seed', '-1'], 'seed must not be negative'),
        (['--images', 'all'], 'invalid int'),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_trained(tmp_path, capsys, argv, message):
    assert main(['--work-dir', str(tmp_path / 'out'), *argv]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
    assert not any(tmp_path.iterdir())


def test_the_folder_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / 'thesis.tex').write_text('')
    assert main(['--work-dir', str(tmp_path)]) == 2
    assert 'holds something else' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_a_demo_with_other_parameters_is_not_mixed_with_this_one(tmp_path, capsys):
    (tmp_path / 'demo.json').write_text(json.dumps({'images': 24, 'epochs': 1, 'seed': 0}))
    assert main(['--work-dir', str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert 'images 24 and not 1000' in error and error.count('\n') == 1


def test_a_detection_is_right_when_a_free_object_of_its_class_overlaps_by_half():
    def box(x, category):
        return {'bbox': [x, 0, 10, 10], 'category_id': category}

    objects = [box(0, 1), box(50, 2)]
    found = [box(2, 1), box(3, 1), box(50, 1), box(54, 2), box(100, 2)]
    # IoU 8/12; its object is taken; another class; IoU 6/14 < 0.5; nothing there
    assert _right(found, objects) == [True, False, False, False, False]
    assert _right([box(0, 1)], []) == [False]
