"""The set on disk: COCO's format, whole or absent, the same bytes for the same parameters."""

import io
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO

from mmdet_spatialattn.clutter.measures import object_measures
from mmdet_spatialattn.datasets.digits import render_scene
from mmdet_spatialattn.datasets.scenes import MANIFEST, encode_png, write_scenes
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.io import read_json, write_json


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sets') / 'digits'
    assert write_scenes(folder, images=20, levels=[0, 2, 4], size=128, seed=5)
    return folder


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_pycocotools_reads_it_and_masks_are_what_is_seen(digits):
    coco = COCO(str(digits / 'annotations/val.json'))
    assert len(coco.imgs) == 4 * 3
    assert [coco.cats[k]['name'] for k in sorted(coco.cats)] == list('0123456789')
    assert min(coco.cats) == 1
    for image in coco.imgs.values():
        scene = render_scene('val', image['scene'], size=128, seed=5)
        annotations = coco.imgToAnns[image['id']]
        masks = [coco.annToMask(annotation) for annotation in annotations]
        np.testing.assert_array_equal(sum(masks), scene.owner > 0)
        for k, (annotation, seen) in enumerate(zip(annotations, masks)):
            np.testing.assert_array_equal(seen, scene.owner == k + 1)
            assert annotation['category_id'] == scene.labels[k] + 1
            assert annotation['area'] == annotation['bbox'][2] * annotation['bbox'][3]
            x, y, w, h = mask.toBbox(annotation['segmentation'])
            bx, by, bw, bh = annotation['bbox']
            assert bx <= x and by <= y and x + w <= bx + bw and y + h <= by + bh
        with Image.open(digits / 'images' / image['file_name']) as pixels:
            np.testing.assert_array_equal(np.array(pixels), scene.images[image['level']])


def test_every_training_scene_stands_once_in_the_mixed_set_the_levels_in_turn(digits):
    mixed, whole = (read_json(digits / f'annotations/{n}.json') for n in ('train_mixed', 'train'))
    levels = sorted({image['level'] for image in whole['images']})
    scenes = sorted({image['scene'] for image in whole['images']})
    pairs = [(image['scene'], image['level']) for image in mixed['images']]
    assert pairs == [(scene, levels[scene % len(levels)]) for scene in scenes]
    assert all(image in whole['images'] for image in mixed['images'])
    boxes = {}
    for name, data in (('mixed', mixed), ('whole', whole)):
        kept = {image['id'] for image in mixed['images']}
        boxes[name] = [
            (a['image_id'], a['bbox']) for a in data['annotations'] if a['image_id'] in kept
        ]
    assert boxes['mixed'] == boxes['whole'] != []


def test_annotations_are_the_same_at_every_level(digits):
    for split, n_scenes in (('train', 16), ('val', 4)):
        data = read_json(digits / f'annotations/{split}.json')
        image_of = {image['id']: image for image in data['images']}
        by_scene = defaultdict(lambda: defaultdict(list))
        for annotation in data['annotations']:
            image = image_of[annotation['image_id']]
            content = {k: v for k, v in annotation.items() if k not in ('id', 'image_id')}
            by_scene[image['scene']][image['level']].append(content)
        assert sorted(by_scene) == list(range(n_scenes))
        for levels in by_scene.values():
            assert sorted(levels) == [0, 2, 4]
            assert levels[0] == levels[2] == levels[4]
        assert len({a['id'] for a in data['annotations']}) == len(data['annotations'])


def test_cover_equals_the_clutter_measure_of_the_evaluation(digits):
    data = read_json(digits / 'annotations/train.json')
    boxes = np.array([a['bbox'] for a in data['annotations']], float)
    image = np.array([a['image_id'] for a in data['annotations']])
    zeros = np.zeros(len(boxes), int)
    sizes = np.full((image.max() + 1, 2), 128.0)
    cover = object_measures(boxes, image, zeros, zeros, sizes)['cover']
    np.testing.assert_allclose(cover, [a['cover'] for a in data['annotations']], atol=1e-12)


def test_the_same_parameters_give_the_same_bytes(digits, tmp_path):
    write_scenes(tmp_path / 'again', images=20, levels=[4, 0, 2], size=128, seed=5)
    assert files(tmp_path / 'again') == files(digits)


def test_a_larger_set_with_more_levels_begins_with_the_smaller_one(digits, tmp_path):
    write_scenes(tmp_path / 'more', images=30, size=128, seed=5)
    more, less = files(tmp_path / 'more'), files(digits)
    images = [name for name in less if name.startswith('images/')]
    assert len(images) == 60
    assert all(more[name] == less[name] for name in images)
    ids = [
        {image['file_name']: image['id'] for image in read_json(path)['images']}
        for path in (tmp_path / 'more/annotations/val.json', digits / 'annotations/val.json')
    ]
    assert ids[1].items() <= ids[0].items()


def test_another_seed_gives_other_scenes(digits, tmp_path):
    write_scenes(tmp_path / 'other', images=5, levels=[0], size=128, seed=6)
    name = 'images/val_00000_level0.png'
    assert (tmp_path / 'other' / name).read_bytes() != (digits / name).read_bytes()


@pytest.mark.parametrize('shape', [(1, 1, 3), (5, 7, 3), (160, 96, 3)])
def test_pngs_decode_to_the_pixels_that_went_in(shape):
    import cv2

    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data = encode_png(image)
    with Image.open(io.BytesIO(data)) as decoded:
        assert decoded.mode == 'RGB'
        np.testing.assert_array_equal(np.array(decoded), image)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(bgr[..., ::-1], image)


def test_a_set_that_is_there_is_left_alone(digits):
    before = {path: path.stat().st_mtime_ns for path in digits.rglob('*')}
    assert not write_scenes(digits, images=20, levels=[0, 2, 4], size=128, seed=5)
    assert {path: path.stat().st_mtime_ns for path in digits.rglob('*')} == before


def test_another_set_is_refused_and_the_difference_named(digits):
    with pytest.raises(UserError, match=r'images 20 instead of 30.*seed 5 instead of 0'):
        write_scenes(digits, images=30, levels=[0, 2, 4], size=128, seed=0)


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / 'thesis.tex').write_text('x')
    with pytest.raises(UserError, match='is not a set of scenes'):
        write_scenes(tmp_path, images=2)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']
    with pytest.raises(UserError, match='is not a set of scenes'):
        write_scenes(tmp_path / 'thesis.tex', images=2)


@pytest.mark.parametrize(
    ('manifest', 'message'),
    [
        ([], 'format None instead of'),
        ({'format': 'clutter digits, version 0'}, 'version 0 instead of'),
    ],
)
def test_a_strange_manifest_is_refused(tmp_path, manifest, message):
    write_json(tmp_path / MANIFEST, manifest)
    with pytest.raises(UserError, match=message):
        write_scenes(tmp_path, images=2)


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / 'out').mkdir()
    assert write_scenes(tmp_path / 'out', images=2, levels=[0], size=64)
    assert len(files(tmp_path / 'out')) == 2 + 3 + 1
    assert [path.name for path in tmp_path.iterdir()] == ['out']


@pytest.mark.parametrize('lost', ['images/val_00000_level0.png', 'annotations/train.json'])
def test_a_set_that_lost_files_is_said_to_have(tmp_path, lost):
    write_scenes(tmp_path / 'out', images=2, levels=[0], size=64)
    (tmp_path / 'out' / lost).unlink()
    with pytest.raises(UserError, match='is incomplete'):
        write_scenes(tmp_path / 'out', images=2, levels=[0], size=64)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ({'images': 0}, 'at least 2'),
        ({'images': 1}, 'at least 2'),
        ({'levels': range(10)}, 'from 0 to 4'),
        ({'levels': [-1, 2]}, 'from 0 to 4'),
        ({'levels': []}, 'none'),
        ({'size': 63}, 'from 64'),
        ({'size': 10_000}, 'to 640'),
        ({'seed': -1}, 'seed'),
        ({'seed': 2**32}, 'seed'),
    ],
)
def test_a_parameter_out_of_range_is_named_before_anything_is_written(tmp_path, wrong, message):
    with pytest.raises(UserError, match=message):
        write_scenes(tmp_path / 'out', **wrong)
    assert not any(tmp_path.iterdir())


COMMAND = [sys.executable, '-m', 'mmdet_spatialattn.cli', 'scenes', '--size', '64', '--images']


def test_a_killed_run_leaves_nothing_that_looks_complete(tmp_path):
    out = tmp_path / 'out'
    partial = tmp_path / '.out.partial'
    process = subprocess.Popen([*COMMAND, '5000', '--out', str(out)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (partial / 'images').is_dir() or not any((partial / 'images').iterdir()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists() and partial.exists()
    subprocess.run([*COMMAND, '2', '--out', str(out)], check=True, stdout=subprocess.DEVNULL)
    assert [path.name for path in tmp_path.iterdir()] == ['out']


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    resource = pytest.importorskip('resource')  # a limit on file size fails as a full disk does

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = subprocess.run(
        [*COMMAND, '2', '--out', str(tmp_path / 'out')],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
    )
    assert done.returncode == 2
    assert done.stderr.startswith('spatialattn scenes: error: cannot write')
    assert done.stderr.count('\n') == 1
    assert not any(tmp_path.iterdir())


def test_a_mixed_set_has_each_scene_once(digits, tmp_path):
    """Its images are those of the whole set at the level whose turn it is."""
    assert write_scenes(tmp_path, images=20, levels=[0, 2, 4], size=128, seed=5, mixed=True)
    for split, number in (('train', 16), ('val', 4)):
        images = read_json(tmp_path / 'annotations' / f'{split}.json')['images']
        assert [(image['scene'], image['level']) for image in images] == [
            (scene, [0, 2, 4][scene % 3]) for scene in range(number)
        ]
        for image in images:
            name = f'images/{image["file_name"]}'
            assert (tmp_path / name).read_bytes() == (digits / name).read_bytes()
    assert len(list((tmp_path / 'images').iterdir())) == 20
    assert not write_scenes(tmp_path, images=20, levels=[0, 2, 4], size=128, seed=5, mixed=True)
    with pytest.raises(UserError, match='holds another set'):
        write_scenes(tmp_path, images=20, levels=[0, 2, 4], size=128, seed=5)
