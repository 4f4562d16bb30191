"""Every published format comes out as COCO's, with hand-made files in its own form."""

import json
import time

import cv2
import numpy as np
import pytest

from mmdet_spatialattn.cli.convert import main
from mmdet_spatialattn.clutter.measures import measure_objects
from mmdet_spatialattn.coco import load_annotations
from mmdet_spatialattn.coco.convert import FORMATS, convert
from mmdet_spatialattn.errors import UserError


def image(path, width=40, height=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))


def crowdhuman(folder):
    person = {'tag': 'person', 'fbox': [0, 0, 10, 20], 'vbox': [0, 0, 10, 5], 'hbox': [2, 0, 4, 4]}
    ignored = {**person, 'extra': {'ignore': 1}}
    mask = {'tag': 'mask', 'fbox': [20, 0, 10, 10]}
    flat = {**person, 'fbox': [5, 5, 0, 3]}
    lines = [
        {'ID': 'a,1', 'gtboxes': [person, ignored, mask, flat]},
        {'ID': 'b,2', 'gtboxes': []},
    ]
    (folder / 'val.odgt').write_text('\n'.join(map(json.dumps, lines)) + '\n')
    return folder / 'val.odgt'


def widerperson(folder):
    text = '4\n1 0 0 10 20\n3 5 5 15 15\n5 20 0 40 20\n2 7 7 7 9\n'
    (folder / 'a.jpg.txt').write_text(text)
    return folder


def visdrone(folder):
    (folder / 'a.txt').write_text('0,0,10,20,1,4,0,2\n5,5,9,9,0,0,0,0\n1,1,3,3,1,11,0,0,\n')
    return folder


def ochuman(folder):
    people = [{'bbox': [0, 0, 10, 20], 'max_iou': 0.7, 'segms': {}}, {'bbox': None}]
    content = {'images': [{'file_name': 'a.jpg', 'width': 40, 'height': 20, 'annotations': people}]}
    (folder / 'ochuman.json').write_text(json.dumps(content))
    return folder / 'ochuman.json'


def citypersons(folder):
    objects = [
        {'label': 'pedestrian', 'bbox': [0, 0, 10, 20], 'bboxVis': [0, 0, 5, 20]},
        {'label': 'ignore', 'bbox': [20, 0, 5, 5], 'bboxVis': [20, 0, 5, 5]},
        {'label': 'statue', 'bbox': [20, 0, 5, 5], 'bboxVis': [20, 0, 5, 5]},
    ]
    path = folder / 'aachen' / 'aachen_0_gtBboxCityPersons.json'
    path.parent.mkdir()
    path.write_text(json.dumps({'imgHeight': 20, 'imgWidth': 40, 'objects': objects}))
    return folder


VOC = """<annotation><filename>a.jpg</filename><size><width>40</width><height>20</height></size>
<object><name>cat</name><occluded>1</occluded><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>10</xmax><ymax>20</ymax></bndbox></object>
<object><name>dog</name><difficult>1</difficult>
<bndbox><xmin>11</xmin><ymin>1</ymin><xmax>12</xmax><ymax>4</ymax></bndbox></object>
</annotation>"""


def voc(folder):
    (folder / 'a.xml').write_text(VOC)
    return folder


def yolo(folder):
    (folder / 'classes.txt').write_text('cat\ndog\n')
    (folder / 'a.txt').write_text('0 0.125 0.5 0.25 1.0\n1 0.5 0 0.75 0 0.75 0.25 0.5 0.25\n')
    return folder


EXPECTED = {
    # file name, size, and per object: class, box, crowd region, further fields
    'crowdhuman': ('a,1.jpg', None, [
        ('person', [0, 0, 10, 20], 0, {'vbox': [0, 0, 10, 5], 'hbox': [2, 0, 4, 4]}),
        ('person', [0, 0, 10, 20], 1, {'ignore': 1}),
        ('person', [20, 0, 10, 10], 1, {'ignore': 1}),
    ]),
    'widerperson': ('a.jpg', None, [
        ('pedestrian', [0, 0, 10, 20], 0, {}),
        ('partially-visible person', [5, 5, 10, 10], 0, {}),
        ('pedestrian', [20, 0, 20, 20], 1, {'ignore': 1}),
    ]),
    'visdrone': ('a.jpg', None, [
        ('car', [0, 0, 10, 20], 0, {'truncation': 0, 'visdrone_occlusion': 2}),
        ('pedestrian', [5, 5, 9, 9], 1, {'ignore': 1}),
        ('pedestrian', [1, 1, 3, 3], 1, {'ignore': 1}),
    ]),
    'ochuman': ('a.jpg', (40, 20), [('person', [0, 0, 10, 20], 0, {'max_iou': 0.7})]),
    'citypersons': ('aachen/aachen_0_leftImg8bit.png', (40, 20), [
        ('pedestrian', [0, 0, 10, 20], 0, {'bboxVis': [0, 0, 5, 20]}),
        ('pedestrian', [20, 0, 5, 5], 1, {'ignore': 1}),
    ]),
    'voc': ('a.jpg', (40, 20), [
        ('cat', [0, 0, 10, 20], 0, {'occluded': 1}),
        ('dog', [10, 0, 2, 4], 1, {'ignore': 1}),
    ]),
    'yolo': ('sub/a.jpg', (40, 20), [
        ('cat', [0, 0, 10, 20], 0, {}),
        ('dog', [20, 0, 10, 5], 0, {}),
    ]),
}  # fmt: skip
DROPPED = {
    'crowdhuman': {'boxes without width or height': 1},
    'widerperson': {'boxes without width or height': 1},
    'ochuman': {'persons without a box': 1},
    'citypersons': {"objects of class 'statue'": 1},
}


def test_every_format_is_expected_here():
    assert set(EXPECTED) == set(FORMATS)


@pytest.mark.parametrize('name', EXPECTED)
def test_a_format_becomes_coco(tmp_path, name):
    folder, images = tmp_path / 'set', tmp_path / 'images'
    folder.mkdir()
    source = globals()[name](folder)
    file_name, size, objects = EXPECTED[name]
    image(images / file_name)
    data, conversion = convert(name, source, images=images if name == 'yolo' else None)
    names = {category['id']: category['name'] for category in data['categories']}
    first = data['images'][0]
    assert first['file_name'] == file_name
    assert (first.get('width'), first.get('height')) == (size or (None, None))
    found = [
        (
            names[row['category_id']],
            row['bbox'],
            row['iscrowd'],
            {k: row[k] for k in row if k not in STANDARD},
        )
        for row in data['annotations']
    ]
    assert found == objects
    assert conversion.dropped == DROPPED.get(name, {})
    assert conversion.crowd_regions == sum(crowd for _, _, crowd, _ in objects)
    assert sum(conversion.objects.values()) == len(objects) - conversion.crowd_regions
    assert load_annotations(data).notes == ()


STANDARD = ('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd')


def test_sizes_come_from_the_headers_of_the_images(tmp_path):
    source = crowdhuman(tmp_path)
    data, conversion = convert('crowdhuman', source)
    assert conversion.without_size == 2 and 'no width and height' in str(conversion)
    for name in ('a,1.jpg', 'b,2.jpg'):
        image(tmp_path / 'images' / name)
    data, conversion = convert('crowdhuman', source, images=tmp_path / 'images')
    assert conversion.without_size == 0
    assert [(row['width'], row['height']) for row in data['images']] == [(40, 20)] * 2


def test_annotated_occlusion_is_a_clutter_measure(tmp_path):
    data, _ = convert('crowdhuman', crowdhuman(tmp_path))
    occlusion = measure_objects(load_annotations(data))['occlusion']
    assert occlusion[0] == pytest.approx(0.75) and np.isnan(occlusion[1:]).all()


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('crowdhuman', '{"ID": 1}', 'line 1: expected an object with ID and gtboxes'),
        ('crowdhuman', '[[[', 'line 1: expected an object'),
        ('widerperson', '1\n9 0 0 1 1', 'line 2: unknown class 9; expected 1 to 5'),
        ('widerperson', '1\n1 a b', "line 2: expected 5 numbers or more, got '1 a b'"),
        ('visdrone', '1,2,3', 'line 1: expected 8 numbers or more'),
        ('visdrone', '0,0,1,1,1,12,0,0', 'unknown class 12'),
        ('ochuman', '{"images": [3]}', 'not in the format of OCHuman'),
        ('citypersons', '{"objects": []}', 'not in the format of CityPersons'),
        ('voc', '<a', 'is not XML'),
        ('voc', '<annotation><object/></annotation>', 'not in the format of Pascal VOC'),
        ('voc', '<!DOCTYPE x [<!ENTITY a "aa">]><a/>', 'declares entities'),
        ('yolo', '7 0.5 0.5 1 1', r'unknown class 7 \(there are 2\)'),
    ],
)
def test_a_file_of_another_form_is_one_message(tmp_path, name, content, message):
    folder = tmp_path / 'set'
    folder.mkdir()
    source = globals()[name](folder)
    (path,) = [p for p in folder.rglob('*') if p.is_file() and p.name != 'classes.txt']
    path.write_text(content)
    image(tmp_path / 'images' / 'a.jpg')
    with pytest.raises(UserError, match=message):
        convert(name, source, images=tmp_path / 'images')


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match="unknown format 'crowdhumam'; did you mean 'crowdhuman'"):
        convert('crowdhumam', tmp_path)
    with pytest.raises(UserError, match=r'expected a folder with files \*\.xml'):
        convert('voc', tmp_path)
    with pytest.raises(UserError, match='there is no .*absent'):
        convert('voc', tmp_path / 'absent')
    with pytest.raises(UserError, match='give their folder: --images DIR'):
        convert('yolo', yolo(tmp_path))
    with pytest.raises(UserError, match='there is no image .*a,1.jpg; give the folder'):
        convert('crowdhuman', crowdhuman(tmp_path), images=tmp_path)


def test_a_set_as_large_as_crowdhuman_takes_seconds(tmp_path):
    """15,000 images with 340,000 boxes; the limit leaves room for a slow machine."""
    box = {'tag': 'person', 'fbox': [1, 2, 30, 60], 'vbox': [1, 2, 30, 40], 'hbox': [5, 2, 9, 9]}
    line = json.dumps({'ID': 'x', 'gtboxes': [box] * 23})
    (tmp_path / 'train.odgt').write_text('\n'.join([line] * 15_000))
    start = time.process_time()
    data, _ = convert('crowdhuman', tmp_path / 'train.odgt')
    assert len(data['annotations']) == 345_000
    assert time.process_time() - start < 60


def test_the_command_writes_and_says_what_it_kept(tmp_path, capsys):
    out = tmp_path / 'val.json'
    argv = ['crowdhuman', str(crowdhuman(tmp_path)), '--out', str(out)]
    assert main([*argv, '--json', str(tmp_path / 'summary.json')]) == 0
    text = capsys.readouterr().out
    assert 'dropped: boxes without width or height' in text and 'Next: spatialattn clutter' in text
    assert len(load_annotations(out)) == 3
    assert main(['crowdhuman', str(tmp_path / 'val.odgt')]) == 2
    assert 'the annotations need a file: --out FILE' in capsys.readouterr().err


def broken():
    """Return annotations with one of each fault that can be mended."""
    return {
        'images': [{'id': 1.0, 'file_name': 'a.jpg', 'width': 40, 'height': None}],
        'categories': [{'id': 3}],
        'annotations': [
            {'id': 0, 'image_id': 1, 'category_id': 3, 'bbox': [0, 0, 10, 20]},
            {'id': 0, 'image_id': 1, 'category_id': 3, 'bbox': [0, 0, 0, 20], 'area': 5},
            {'id': 2, 'image_id': 8, 'category_id': 3, 'bbox': [0, 0, 10, 20]},
            {'id': 3, 'image_id': 1, 'category_id': 9, 'bbox': [0, 0, 10, 20]},
            {'id': 4, 'image_id': 1, 'category_id': 3, 'bbox': [0, 0, float('nan'), 20]},
        ],
    }


def test_a_broken_file_is_checked_and_repaired(tmp_path, capsys):
    path, out = tmp_path / 'val.json', tmp_path / 'new.json'
    path.write_text(json.dumps(broken()))
    before = path.read_bytes()
    assert main(['coco', str(path)]) == 0
    checked = capsys.readouterr().out
    for line in (
        '1 x whole numbers written as 1.0',
        '1 x null in a field: taken as absent',
        '1 x objects of no image: removed',
        '1 x objects of no class: removed',
        '1 x objects without a box of four finite numbers: removed',
        '1 x boxes without width or height: removed',
        '1 x iscrowd missing: set to 0',
        '1 x area missing: taken from the box',
        '1 x class without a name: named by its id',
        '1 x ids of objects that are 0, missing, or repeat: numbered anew from 1',
    ):
        assert line in checked.splitlines()
    assert path.read_bytes() == before and not out.exists()
    assert main(['coco', str(path), '--out', str(out)]) == 0
    (row,) = json.loads(out.read_text())['annotations']
    assert (row['id'], row['area'], row['iscrowd']) == (1, 200, 0)
    capsys.readouterr()
    assert main(['coco', str(out)]) == 0
    assert 'nothing to repair' in capsys.readouterr().out
    path.write_text('[]')
    assert main(['coco', str(path)]) == 2
    assert 'expected COCO annotations' in capsys.readouterr().err


@pytest.mark.parametrize('fault', ['corners', 'normalised'])
def test_boxes_of_another_form_are_written_as_coco_has_them(fault):
    from mmdet_spatialattn.coco.repair import repair

    boxes = [[100, 50, 30, 20], [150, 80, 40, 60], [60, 90, 20, 50]]
    images = [{'id': 1, 'width': 200, 'height': 150}]
    rows = [
        {'id': i, 'image_id': 1, 'category_id': 1, 'bbox': box, 'area': box[2] * box[3],
         'iscrowd': 0}
        for i, box in enumerate(boxes, 1)
    ]  # fmt: skip
    data = {'images': images, 'annotations': rows, 'categories': [{'id': 1, 'name': 'a'}]}
    assert repair(data) == (data, {})
    for row in rows:
        x, y, w, h = row['bbox']
        row['bbox'] = (
            [x, y, x + w, y + h] if fault == 'corners' else [x / 200, y / 150, w / 200, h / 150]
        )
    repaired, repairs = repair(data)
    assert np.allclose([row['bbox'] for row in repaired['annotations']], boxes)
    assert any(fault in what for what in repairs)
