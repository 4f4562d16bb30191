"""``spatialattn demo``, small: what it prints is what it found, and killing it changes nothing."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmdet_spatialattn.cli.demo import _right, main
from mmdet_spatialattn.io import read_json

SMALL = ['--images', '10', '--epochs', '2']


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """The folder of an undisturbed demo, with its table in results.json."""
    folder = tmp_path_factory.mktemp('demo') / 'out'
    assert main([*SMALL, '--work-dir', str(folder), '--json', str(folder / 'results.json')]) == 0
    return folder


@pytest.mark.slow
def test_the_table_is_what_pycocotools_makes_of_the_detections(demo):
    truth = COCO(str(demo / 'scenes/annotations/val.json'))
    results = read_json(demo / 'results.json')
    assert [arm['arm'] for arm in results['arms']] == ['baseline', 'cbam-backbone']
    for arm in results['arms']:
        found = truth.loadRes(str(demo / arm['arm'] / 'seed_0/detections.bbox.json'))
        expected = []
        for level in (None, *range(5)):
            evaluator = COCOeval(truth, found, 'bbox')
            evaluator.params.imgIds = [
                image['id'] for image in truth.imgs.values() if level in (None, image['level'])
            ]
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
            expected.append(evaluator.stats[0])
        assert [arm['AP'], *arm['AP_per_level'].values()] == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_it_leaves_a_picture_and_the_configs_to_repeat_the_runs(demo):
    with Image.open(demo / 'detections.png') as picture:
        assert picture.width > 3 * 320 and picture.height > 6 * 320
    for arm in ('baseline', 'cbam-backbone'):
        text = (demo / arm / 'seed_0/config.py').read_text()
        assert ('CBAM' in text) == (arm != 'baseline')
        assert (demo / arm / 'seed_0/epoch_2.pth').is_file()


@pytest.mark.slow
def test_a_finished_demo_only_prints_again(demo, capsys):
    before = {path: path.stat().st_mtime_ns for path in demo.rglob('*') if path.suffix != '.png'}
    start = time.monotonic()
    assert main([*SMALL, '--work-dir', str(demo)]) == 0
    assert time.monotonic() - start < 20
    out = capsys.readouterr().out
    assert 'cbam-backbone' in out and 'level 4' in out and 'difference' in out
    after = {path: path.stat().st_mtime_ns for path in demo.rglob('*') if path.suffix != '.png'}
    assert after.keys() == before.keys()
    assert not [path for path in after if after[path] != before[path] and path.is_file()]


@pytest.mark.slow
def test_a_killed_demo_ends_like_an_undisturbed_one(demo, tmp_path):
    folder = tmp_path / 'out'
    command = [sys.executable, '-m', 'mmdet_spatialattn.cli', 'demo', *SMALL]
    command += ['--work-dir', str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not (folder / 'cbam-backbone/seed_0/last_checkpoint').is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while trainings_in(folder):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not (folder / 'cbam-backbone/seed_0/run.json').exists()
    results = tmp_path / 'results.json'
    subprocess.run([*command, '--json', str(results)], check=True, stdout=subprocess.DEVNULL)
    log = (folder / 'cbam-backbone/seed_0/log.txt').read_text()
    assert '--resume' in log
    assert read_json(results) == read_json(demo / 'results.json')


def trainings_in(folder):
    """Processes whose command line names the folder."""
    if not Path('/proc').is_dir():
        pytest.skip('processes are looked up in /proc')
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(path.parent.name)
    return found


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
