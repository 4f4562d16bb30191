"""Clutter injection: objects stay, distractors come from elsewhere, the seed decides the rest."""

import json

import cv2
import numpy as np
import pytest

from mmdet_spatialattn.coco import load_annotations
from mmdet_spatialattn.coco.images import read_image
from mmdet_spatialattn.datasets.injection import (
    BANK_SIZE,
    PATCH_SHARE,
    SEVERITIES,
    ClutterInjection,
    write_doses,
    write_injected,
)
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.registry import TRANSFORMS

RED, BLUE, GREEN = (0, 0, 200), (200, 0, 0), (0, 200, 0)
BOXES = np.array([[10.3, 20.7, 30, 25], [60, 50, 40, 40], [100, 5, 25.5, 18]])


def corners(boxes):
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def write_set(folder, pictures, boxes):
    """Write pictures that all have the same boxes as a COCO set; return its annotations."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {'images': [], 'annotations': [], 'categories': [{'id': 1, 'name': 'thing'}]}
    for k, (name, picture) in enumerate(pictures.items(), start=1):
        cv2.imwrite(str(folder / name), picture)
        height, width = picture.shape[:2]
        data['images'].append({'id': k, 'file_name': name, 'width': width, 'height': height})
        for box in boxes.tolist():
            n = len(data['annotations']) + 1
            row = {'id': n, 'image_id': k, 'category_id': 1, 'bbox': box, 'iscrowd': 0}
            data['annotations'].append({**row, 'area': box[2] * box[3]})
    (folder / 'ann.json').write_text(json.dumps(data))
    return folder / 'ann.json'


def plain(color, boxes=BOXES, box_color=None):
    picture = np.full((120, 160, 3), color, dtype=np.uint8)
    for x, y, w, h in boxes.astype(int):
        picture[y : y + h, x : x + w] = color if box_color is None else box_color
    return picture


@pytest.fixture(scope='module')
def training(tmp_path_factory):
    """Five images of noise to cut patches from."""
    rng = np.random.default_rng(0)
    pictures = {f'{k}.png': rng.integers(0, 256, (120, 160, 3), np.uint8) for k in range(5)}
    return write_set(tmp_path_factory.mktemp('train'), pictures, BOXES)


def injection(training, severity=3, **kwargs):
    return ClutterInjection(training, training.parent, severity, **kwargs)


@pytest.mark.parametrize('severity', SEVERITIES)
def test_without_cover_no_pixel_of_an_object_changes(training, severity):
    image = plain(GREEN)
    result = injection(training, severity).inject(image, corners(BOXES), 'any')
    for x1, y1, x2, y2 in corners(BOXES):
        window = np.s_[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))]
        assert (result.image[window] == GREEN).all()
    assert (image == GREEN).all(), 'the image that was given has changed'
    assert result.placed == SEVERITIES[severity]
    assert (result.image != GREEN).any(-1).mean() > 0.01
    assert result.cover.tolist() == [0, 0, 0]


@pytest.mark.parametrize('max_cover', [0.1, 0.4])
def test_no_more_of_an_object_is_covered_than_allowed(training, max_cover):
    paste = injection(training, 5, max_cover=max_cover)
    covers = []
    for image_id in range(10):
        result = paste.inject(plain(GREEN), corners(BOXES), image_id)
        changed = (result.image != GREEN).any(-1)
        for (x1, y1, x2, y2), (_, _, w, h), cover in zip(corners(BOXES), BOXES, result.cover):
            window = np.s_[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))]
            assert changed[window].sum() / (w * h) <= cover + 1e-9 <= max_cover + 2e-9
        covers.extend(result.cover)
    assert max(covers) > 0.7 * max_cover


def test_randomness_is_of_the_seed_and_the_image_id_alone(training):
    def of(image_id, seed=0, severity=3, others=()):
        paste = injection(training, severity, seed=seed)
        for other in others:
            paste.inject(plain(RED), corners(BOXES), other)
        return paste.inject(plain(GREEN), corners(BOXES), image_id).image

    np.testing.assert_array_equal(of(7), of(7, others=(1, 2, 3)))
    assert (of(7) != of(8)).any() and (of(7) != of(7, seed=1)).any() and (of(7) != of('7')).any()


@pytest.mark.parametrize('max_cover', [0, 0.3])
def test_a_severity_adds_to_the_one_below(training, max_cover):
    before, shares = np.zeros((120, 160), bool), []
    for severity in SEVERITIES:
        paste = injection(training, severity, max_cover=max_cover)
        result = paste.inject(plain(GREEN), corners(BOXES), 3)
        changed = (result.image != GREEN).any(-1)
        assert (changed | ~before).all()
        before = changed
        shares.append(result.share)
    assert (np.diff(shares) > 0).all()


def test_each_distractor_takes_its_share_of_the_image(training):
    shares = [
        injection(training, 1, seed=seed).inject(plain(GREEN), np.zeros((0, 4)), 0).share
        for seed in range(30)
    ]
    low, high = (SEVERITIES[1] * share for share in PATCH_SHARE)
    assert low * 0.8 < min(shares) and max(shares) < high * 1.1
    assert np.mean(shares) == pytest.approx(0.03, rel=0.15)


def test_an_image_gives_no_distractor_to_itself(tmp_path):
    annotations = write_set(tmp_path, {'red.png': plain(RED), 'blue.png': plain(BLUE)}, BOXES)
    paste = injection(annotations, 5)
    for name, own, other in (('red.png', RED, BLUE), ('blue.png', BLUE, RED)):
        image = read_image(tmp_path / name, (160, 120))
        result = paste.inject(image, corners(BOXES), 1, path=tmp_path / 'x' / '..' / name).image
        assert set(map(tuple, result.reshape(-1, 3).tolist())) >= {own, other}
        both = paste.inject(plain(GREEN), corners(BOXES), 1).image
        colours = set(map(tuple, both.reshape(-1, 3).tolist()))
        assert {RED, BLUE} <= colours


def test_distractors_are_fragments_of_objects_and_background(tmp_path):
    pictures = {f'{k}.png': plain(RED, box_color=BLUE) for k in range(4)}
    bank = injection(write_set(tmp_path, pictures, np.round(BOXES)), 1).bank
    kinds = [set(map(tuple, patch.pixels.reshape(-1, 3).tolist())) for patch in bank]
    assert len(bank) == BANK_SIZE
    # Each is cut from an object or from the background, never from both.
    assert kinds.count({RED}) == kinds.count({BLUE}) == BANK_SIZE // 2
    largest = max(p.pixels[..., 0].size for p, kind in zip(bank, kinds) if kind == {BLUE})
    assert largest < 0.5 * 40 * 40


def test_images_full_of_objects_get_fewer_distractors(training):
    full = np.array([[0, 0, 160, 120.0]])
    result = injection(training, 5).inject(plain(GREEN), full, 0)
    assert result.placed == 0 and (result.image == GREEN).all()


def test_sets_without_objects_or_without_background_give_patches_too(tmp_path):
    none, full = np.zeros((0, 4)), np.array([[0, 0, 160, 120.0]])
    for name, boxes in (('none', none), ('full', full)):
        annotations = write_set(tmp_path / name, {'a.png': plain(RED), 'b.png': plain(RED)}, boxes)
        assert len(injection(annotations).bank) == BANK_SIZE


def test_the_transform_stands_in_a_test_pipeline_and_equals_the_command(training, tmp_path):
    from mmdet.datasets import CocoDataset

    config = dict(
        type='mmdet_spatialattn.ClutterInjection',
        patches_ann=str(training),
        patches_images=str(training.parent),
        severity=2,
    )
    pipeline = [dict(type='LoadImageFromFile'), config]
    pipeline += [dict(type='Resize', scale=(80, 60)), dict(type='LoadAnnotations', with_bbox=True)]
    dataset = CocoDataset(
        ann_file=str(training),
        data_prefix=dict(img=str(training.parent)),
        metainfo=dict(classes=('thing',)),
        test_mode=True,
        pipeline=pipeline[:2],
    )
    write_injected(training, training.parent, tmp_path / 'out', injection(training, 2))
    for k in range(5):
        written = read_image(tmp_path / f'out/images/{k}.png', (160, 120))
        np.testing.assert_array_equal(dataset[k]['img'], written)
    dataset.pipeline.transforms.extend(TRANSFORMS.build(step) for step in pipeline[2:])
    assert dataset[0]['img'].shape == (60, 80, 3) and len(dataset[0]['gt_bboxes']) == 3


def test_a_transform_in_the_wrong_place_says_where_it_belongs(training):
    paste = injection(training)
    sample = dict(img=plain(RED)[:60], img_id=1, img_path='x', height=120, width=160, instances=[])
    with pytest.raises(UserError, match='160 x 60 .* 160 x 120; put the transform directly after'):
        paste(sample)
    del sample['instances']
    with pytest.raises(UserError, match='use a data set with annotations'):
        paste(sample)
    assert repr(paste) == 'ClutterInjection(severity=3, seed=0, max_cover=0.0, 256 patches)'


def test_a_coco_set_is_written_with_the_same_annotations(training, tmp_path):
    record = write_injected(training, training.parent, tmp_path / 'out', injection(training))
    given = json.loads(training.read_text())
    written = json.loads((tmp_path / 'out/annotations.json').read_text())
    assert written == given
    assert json.loads((tmp_path / 'out/injection.json').read_text()) == record
    assert record['images']['1']['placed'] == record['distractors'] == SEVERITIES[3]
    assert load_annotations(tmp_path / 'out/annotations.json').file_names[0] == '0.png'


def test_jpegs_become_lossless_and_keep_apart(tmp_path):
    pictures = {'a.jpg': plain(RED), 'a.png': plain(BLUE), 'b.jpeg': plain(RED)}
    annotations = write_set(tmp_path / 'in', pictures, BOXES)
    write_injected(annotations, tmp_path / 'in', tmp_path / 'out', injection(annotations, 1))
    rows = json.loads((tmp_path / 'out/annotations.json').read_text())['images']
    assert [row['file_name'] for row in rows] == ['a.jpg.png', 'a.png.png', 'b.png']
    source, result = (
        cv2.imread(str(tmp_path / name)) for name in ('in/b.jpeg', 'out/images/b.png')
    )
    for x1, y1, x2, y2 in corners(BOXES).astype(int):
        np.testing.assert_array_equal(source[y1:y2, x1:x2], result[y1:y2, x1:x2])


def test_images_with_one_file_are_written_apart_and_keep_their_own_objects(training, tmp_path):
    """As in a merge of two sets: one entry must not cover the objects of the other."""
    annotations = write_set(tmp_path / 'in', {'a.jpg': plain(RED)}, BOXES)
    data = json.loads(annotations.read_text())
    data['images'].append({**data['images'][0], 'id': 2})
    data['annotations'][0]['image_id'] = 2
    annotations.write_text(json.dumps(data))
    write_injected(annotations, tmp_path / 'in', tmp_path / 'out', injection(training, 5))
    truth = load_annotations(tmp_path / 'out/annotations.json')
    assert truth.file_names == ['a.jpg.1.png', 'a.jpg.2.png']
    source = cv2.imread(str(tmp_path / 'in/a.jpg'))
    for image, (x1, y1, x2, y2) in zip(truth.image.tolist(), corners(BOXES).astype(int)):
        result = cv2.imread(str(tmp_path / 'out/images' / truth.file_names[image]))
        np.testing.assert_array_equal(source[y1:y2, x1:x2], result[y1:y2, x1:x2])


@pytest.mark.parametrize('shape', [(120, 160), (120, 160, 1)])
def test_a_grey_image_stays_grey(training, shape):
    grey = np.full(shape, 90, np.uint8)
    result = injection(training).transform(sample(grey))['img']
    assert result.shape == shape and (result != 90).any()
    x1, y1, x2, y2 = corners(BOXES).astype(int)[0]
    assert (result[y1:y2, x1:x2] == 90).all()


@pytest.mark.parametrize(
    'image', [np.zeros((120, 160, 4), np.uint8), np.zeros((120, 160, 3), np.float32)]
)
def test_other_pixels_are_refused(training, image):
    with pytest.raises(UserError, match=r'expected \(H, W, 3\) or \(H, W\) of uint8'):
        injection(training).transform(sample(image))


def sample(image):
    instances = [{'bbox': box} for box in corners(BOXES).tolist()]
    shape = {'height': image.shape[0], 'width': image.shape[1]}
    return {'img': image, 'img_id': 7, 'img_path': 'x.png', 'instances': instances, **shape}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(severity=0), 'severity must be one of 1, 2, 3, 4, 5, got 0'),
        (dict(severity='3'), "got '3'"),
        (dict(severity=1, max_cover=1.5), 'max_cover is a share of a box, from 0 to 1, got 1.5'),
        (dict(severity=1, max_cover=float('nan')), 'got nan'),
        (dict(severity=1, seed=-1), 'seed must be an integer of at least 0, got -1'),
    ],
)
def test_numbers_out_of_range_are_named(training, arguments, message):
    with pytest.raises(UserError, match=message):
        injection(training, **arguments)


def test_sets_that_cannot_give_or_take_distractors_are_refused(training, tmp_path):
    alone = write_set(tmp_path / 'alone', {'a.png': plain(RED)}, BOXES)
    with pytest.raises(UserError, match='all patches are from .* itself'):
        write_injected(alone, alone.parent, tmp_path / 'out', injection(alone))
    tiny = write_set(tmp_path / 'tiny', {'a.png': plain(RED)[:2, :2]}, np.zeros((0, 4)))
    with pytest.raises(UserError, match='too small to cut patches from'):
        injection(tiny)
    data = json.loads(alone.read_text())
    data['images'][0]['file_name'] = '../alone/a.png'
    alone.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"'../alone/a.png' is outside of the folder"):
        write_injected(alone, alone.parent, tmp_path / 'out', injection(training))
    (alone.parent / 'a.png').write_bytes(b'broken')
    with pytest.raises(UserError, match='is damaged, or not an image'):
        injection(alone)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['alone', 'tiny']


def test_real_images_keep_their_objects(shared_data):
    folder = shared_data / 'bccd'
    annotations = load_annotations(folder / 'annotations/val.json')
    paste = ClutterInjection(folder / 'annotations/train.json', folder / 'images', 5)
    for index in (0, 10):
        image = read_image(folder / 'images' / annotations.file_names[index], (640, 480))
        boxes = corners(annotations.boxes[annotations.image == index])
        result = paste.inject(image, boxes, annotations.image_ids[index]).image
        changed = (result != image).any(-1)
        assert changed.mean() > 0.05
        assert not any(
            changed[int(y1) : int(y2), int(x1) : int(x2)].any() for x1, y1, x2, y2 in boxes
        )


def test_several_severities_are_written_as_one_set(training, tmp_path):
    pasted = injection(training)
    write_doses(training, training.parent, tmp_path / 'out', pasted, (2, 5))
    data = json.loads((tmp_path / 'out/annotations.json').read_text())
    given = json.loads(training.read_text())
    assert [i['severity'] for i in data['images']] == [0] * 5 + [2] * 5 + [5] * 5
    assert [i['original'] for i in data['images']] == [i['id'] for i in given['images']] * 3
    assert len(load_annotations(tmp_path / 'out/annotations.json')) == 3 * len(given['annotations'])
    of = {i['id']: i['original'] for i in data['images']}
    boxes = [(of[a['image_id']], a['bbox']) for a in data['annotations']]
    assert boxes == [(a['image_id'], a['bbox']) for a in given['annotations']] * 3
    for image in data['images']:
        path = training.parent / given['images'][image['original'] - 1]['file_name']
        expected = cv2.imread(str(path))
        if image['severity']:
            at = injection(training, severity=image['severity'])
            expected = at.inject(expected, corners(BOXES), image['original'], path=path).image
        found = cv2.imread(str(tmp_path / 'out/images' / image['file_name']))
        np.testing.assert_array_equal(found, expected)
