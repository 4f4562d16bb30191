"""Data as people have it: odd containers, names and numbers are read, odd content is noted."""

import copy
import gzip
import json
import os
import re

import cv2
import numpy as np
import pytest

from mmdet_spatialattn.coco import load_annotations, load_detections, read_image
from mmdet_spatialattn.coco.images import find_images
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import evaluate

SIZE = (200, 150)


def objects(n_images=10, per=4, classes=2):
    """Return annotations whose boxes lie within their images."""
    rng = np.random.default_rng(0)
    images = [
        {'id': i, 'file_name': f'{i}.jpg', 'width': SIZE[0], 'height': SIZE[1]}
        for i in range(1, n_images + 1)
    ]
    rows = []
    for image in images:
        for _ in range(per):
            w, h = rng.integers(15, 60, 2).tolist()
            x, y = int(rng.integers(60, SIZE[0] - w)), int(rng.integers(40, SIZE[1] - h))
            row = {'id': len(rows) + 1, 'image_id': image['id'], 'bbox': [x, y, w, h]}
            row |= {'category_id': int(rng.integers(1, classes + 1)), 'area': w * h, 'iscrowd': 0}
            rows.append(row)
    categories = [{'id': k, 'name': f'c{k}'} for k in range(1, classes + 1)]
    return {'images': images, 'annotations': rows, 'categories': categories}


def found(data):
    """Return detections that are the objects, with scores."""
    keys = ('image_id', 'category_id', 'bbox')
    return [
        {**{key: row[key] for key in keys}, 'score': 1 - i / 100}
        for i, row in enumerate(data['annotations'])
    ]


TEXT = json.dumps(objects())


@pytest.mark.parametrize(
    'content',
    [
        TEXT.encode('utf-8-sig'),
        TEXT.encode('utf-16'),
        b'\xfe\xff' + TEXT.encode('utf-16-be'),
        gzip.compress(TEXT.encode()),
    ],
    ids=['utf-8 with a mark', 'utf-16', 'utf-16-be', 'gzip'],
)
def test_json_of_other_encodings_is_read(tmp_path, content):
    path = tmp_path / 'val.json'
    path.write_bytes(content)
    assert load_annotations(path).ids.tolist() == load_annotations(objects()).ids.tolist()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'version https://git-lfs.github.com/spec/v1\noid', 'it is a pointer of Git LFS'),
        (b'<!DOCTYPE html><html>404</html>', 'it is a web page'),
        (b'{"a": 1}\n{"a": 2}\n', r'a value per line \(JSON Lines\), write them as one list'),
        (gzip.compress(TEXT.encode())[:-20], 'is a damaged gzip file'),
        (gzip.compress(b' ' * 2**27), 'grows more than 200 times'),
        (b'', 'it is empty'),
    ],
)
def test_what_a_file_is_instead_of_json_is_said(tmp_path, content, message):
    path = tmp_path / 'val.json'
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_annotations(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'val.json')
    with pytest.raises(
        UserError, match='val.json is a pipe, a socket or a device; expected a file'
    ):
        load_annotations(tmp_path / 'val.json')


def test_whole_floats_are_ids_and_null_is_absent():
    data = objects()
    plain = evaluate(data, found(data))
    for row in data['images']:
        row.update(id=float(row['id']), width=None)
    for row in data['annotations']:
        row.update(id=float(row['id']), image_id=float(row['image_id']), iscrowd=None, area=None)
    for row in data['categories']:
        row['id'] = float(row['id'])
    truth = load_annotations(data)
    assert {type(value) for value in [*truth.image_ids, *truth.category_ids]} == {int}
    assert np.isnan(truth.image_sizes).all(axis=0).tolist() == [True, False]
    assert evaluate(truth, found(data)).overall == plain.overall


def test_a_broken_id_is_still_refused():
    data = objects()
    data['images'][0]['id'] = 1.5
    with pytest.raises(UserError, match=r'images\[0\]: id is 1.5; expected an integer or a string'):
        load_annotations(data)


def test_names_of_windows_and_of_lvis_are_found(tmp_path):
    data = objects(2)
    (tmp_path / 'images').mkdir()
    for row in data['images']:
        cv2.imwrite(str(tmp_path / 'images' / row['file_name']), np.zeros((150, 200, 3), np.uint8))
    windows, lvis = copy.deepcopy(data), copy.deepcopy(data)
    for row in windows['images']:
        row['file_name'] = f'images\\{row["file_name"]}'
    for row in lvis['images']:
        row['coco_url'] = f'http://images.cocodataset.org/val2017/{row.pop("file_name")}'
    files = find_images(load_annotations(data), tmp_path / 'images')
    assert find_images(load_annotations(windows), tmp_path) == files
    assert find_images(load_annotations(lvis), tmp_path / 'images') == files


@pytest.mark.parametrize(
    ('shape', 'dtype', 'name'),
    [((9, 7), np.uint8, 'a.png'), ((9, 7, 4), np.uint8, 'a.png'), ((9, 7, 3), np.uint16, 'a.png')],
)
def test_grey_transparent_and_16_bit_images_become_bgr(tmp_path, shape, dtype, name):
    cv2.imwrite(str(tmp_path / name), np.full(shape, np.iinfo(dtype).max, dtype))
    image = read_image(tmp_path / name, (7, 9))
    assert (image.shape, image.dtype, image.min()) == ((9, 7, 3), np.uint8, 255)


def test_cmyk_palettes_and_frames_are_read(tmp_path):
    from PIL import Image

    red = Image.new('RGB', (7, 9), 'red')
    red.convert('CMYK').save(tmp_path / 'a.jpg')
    red.convert('P').save(tmp_path / 'a.png')
    red.save(tmp_path / 'a.tif', save_all=True, append_images=[Image.new('RGB', (7, 9), 'blue')])
    for name in ('a.jpg', 'a.png', 'a.tif'):
        blue, green, red = read_image(tmp_path / name, (7, 9)).mean(axis=(0, 1))
        assert red > 250 and blue < 5 and green < 5


def test_an_orientation_that_turns_the_image_is_named(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (20, 10)).save(tmp_path / 'a.jpg', exif=exif.tobytes())
    with pytest.raises(UserError, match='its EXIF orientation tag turns it, here and in training'):
        read_image(tmp_path / 'a.jpg', (20, 10))
    assert read_image(tmp_path / 'a.jpg', (10, 20)).shape == (20, 10, 3)
    with pytest.raises(UserError, match='another version of the image'):
        read_image(tmp_path / 'a.jpg', (20, 30))


def test_an_image_that_is_too_large_or_none_is_one_line(tmp_path):
    from PIL import Image

    Image.new('1', (40_000, 30_000)).save(tmp_path / 'huge.png')
    with pytest.raises(UserError, match='huge.png is larger than OpenCV reads.*MAX_IMAGE_PIXELS'):
        read_image(tmp_path / 'huge.png', (40_000, 30_000))
    (tmp_path / 'page.jpg').write_bytes(b'<html>404</html>')
    with pytest.raises(UserError, match='page.jpg is a web page'):
        read_image(tmp_path / 'page.jpg', (1, 1))
    (tmp_path / 'half.png').write_bytes((tmp_path / 'huge.png').read_bytes()[:40])
    with pytest.raises(UserError, match='half.png'):
        read_image(tmp_path / 'half.png', (1, 1))


def as_corners(box):
    x, y, w, h = box
    return [x, y, x + w, y + h]


def test_plausible_data_has_no_notes():
    data = objects()
    truth = load_annotations(data)
    assert truth.notes == load_detections(found(data), truth).notes == ()


def test_boxes_that_look_like_corners_are_noted():
    data = objects()
    detections = [{**row, 'bbox': as_corners(row['bbox'])} for row in found(data)]
    expected = r'\d+ of 40 boxes of the .* leave their image; .*: these look like corners'
    (note,) = load_detections(detections, load_annotations(data)).notes
    assert re.search(expected, note)
    for row in data['annotations']:
        row['bbox'] = as_corners(row['bbox'])
    (note,) = load_annotations(data).notes
    assert re.search(expected, note)


def test_boxes_that_leave_their_images_otherwise_are_noted():
    data = objects()
    for row in data['annotations']:
        row['bbox'] = [10 * value for value in row['bbox']]
    (note,) = load_annotations(data).notes
    assert 'do they belong to images of this size?' in note


def test_normalised_boxes_are_noted():
    data = objects()
    for row in data['annotations']:
        row['bbox'] = [value / 200 for value in row['bbox']]
    (note,) = load_annotations(data).notes
    assert 'are they normalised?' in note


@pytest.mark.parametrize(('shift', 'word'), [(-1, 'before'), (1, 'after')])
def test_classes_that_are_shifted_by_one_are_noted(shift, word):
    data = objects(classes=3)
    data['categories'] += [{'id': 0, 'name': 'none'}, {'id': 4, 'name': 'more'}]
    detections = [{**row, 'category_id': row['category_id'] + shift} for row in found(data)]
    (note,) = load_detections(detections, load_annotations(data)).notes
    assert f"40 of 40 detections that lie on an object have the class {word} the object's" in note


def test_federated_annotations_and_repeated_files_are_noted():
    data = objects()
    data['images'][0]['neg_category_ids'] = [1]
    data['images'][1]['file_name'] = '1.jpg'
    repeated, federated = load_annotations(data).notes
    assert '1 files belong to several images of the annotations (first: 1.jpg)' in repeated
    assert 'annotated federally' in federated


def test_no_classes_are_refused():
    data = objects()
    data['categories'] = data['annotations'] = []
    with pytest.raises(UserError, match="'categories' is empty; there is nothing to evaluate"):
        load_annotations(data)
