"""Detections in every form give the same arrays as in COCO's result format."""

import copy
import json
from pathlib import PurePosixPath

import numpy as np
import pytest
import torch
from mmengine.fileio import dump

from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.coco.detections import BOXES_BESIDE_MASKS
from mmdet_spatialattn.errors import UserError

TRUTH = {
    'images': [
        {'id': 7, 'width': 40, 'height': 30, 'file_name': 'x/b.png'},
        {'id': 3, 'width': 40, 'height': 30, 'file_name': 'x/a.v1.png'},
    ],
    'categories': [{'id': 5, 'name': 'nut'}, {'id': 2, 'name': 'cell'}],
    'annotations': [],
}
NAMES = {image['id']: image['file_name'] for image in TRUTH['images']}
RESULTS = [
    {'image_id': 7, 'category_id': 2, 'bbox': [4.0, 3.0, 8.0, 6.0], 'score': 0.9},
    {'image_id': 7, 'category_id': 5, 'bbox': [20.0, 15.0, 8.0, 6.0], 'score': 0.3},
    {'image_id': 3, 'category_id': 2, 'bbox': [1.0, 2.0, 3.0, 4.0], 'score': 0.5},
]
EXPORT = {  # as FiftyOne 1.x writes it
    'info': {},
    'licenses': [],
    'categories': [
        {'id': 1, 'name': 'cell', 'supercategory': None},
        {'id': 2, 'name': 'nut', 'supercategory': None},
    ],
    'images': [
        {'id': 1, 'file_name': 'b.png', 'height': 30, 'width': 40, 'license': None},
        {'id': 2, 'file_name': 'a.v1.png', 'height': 30, 'width': 40, 'license': None},
    ],
    'annotations': [
        {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [4.0, 3.0, 8.0, 6.0], 'score': 0.9},
        {'id': 2, 'image_id': 1, 'category_id': 2, 'bbox': [20.0, 15.0, 8.0, 6.0], 'score': 0.3},
        {'id': 3, 'image_id': 2, 'category_id': 1, 'bbox': [1.0, 2.0, 3.0, 4.0], 'score': 0.5},
    ],
}


@pytest.fixture
def truth():
    return load_annotations(TRUTH)


def assert_same(detections, expected):
    for name in ('image', 'category', 'boxes', 'scores', 'area'):
        assert np.array_equal(getattr(detections, name), getattr(expected, name)), name


def sample(image_id, boxes, scores, labels, **more):
    instances = dict(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        scores=torch.tensor(scores, dtype=torch.float32),
        labels=torch.tensor(labels, dtype=torch.int64),
        **more,
    )
    return dict(img_id=image_id, ori_shape=(30, 40), pred_instances=instances)


@pytest.mark.parametrize('masks', [False, True])
def test_mmdetections_own_pickle_and_json_agree_with_ours(tmp_path, masks):
    from mmdet.evaluation import CocoMetric, DumpDetResults  # which need this package first

    from mmdet_spatialattn.evaluation.detections_file import DetectionsFile

    rng, samples = np.random.default_rng(0), []
    for image_id in (7, 3):
        corners = rng.uniform(0, 14, (4, 4)) + np.array([0, 0, 15, 15])
        more = dict(masks=torch.tensor(rng.random((4, 30, 40)) < 0.5)) if masks else {}
        samples.append(sample(image_id, corners, rng.random(4), rng.integers(0, 2, 4), **more))
    (tmp_path / 'truth.json').write_text(json.dumps(TRUTH))
    theirs = CocoMetric(
        ann_file=str(tmp_path / 'truth.json'),
        metric=['bbox', 'segm'] if masks else 'bbox',
        format_only=True,
        outfile_prefix=str(tmp_path / 'theirs'),
    )
    metrics = [
        theirs,
        DumpDetResults(out_file_path=str(tmp_path / 'theirs.pkl')),
        DetectionsFile(tmp_path / 'ours.json', [5, 2]),
    ]
    for metric in metrics:
        metric.dataset_meta = {'classes': ('nut', 'cell')}
        metric.process({}, copy.deepcopy(samples))
        metric.evaluate(len(samples))
    iou_type = 'segm' if masks else 'bbox'
    truth = load_annotations(tmp_path / 'truth.json')
    expected = load_detections(tmp_path / f'theirs.{iou_type}.json', truth, iou_type=iou_type)
    assert len(expected) == 8
    for name in ('theirs.pkl', 'ours.json'):
        detections = load_detections(tmp_path / name, truth, iou_type=iou_type)
        assert_same(detections, expected)
        assert (BOXES_BESIDE_MASKS in detections.notes) == masks
        assert detections.masks == expected.masks


@pytest.mark.parametrize(
    'name',
    [str, lambda name: PurePosixPath(name).name, lambda name: PurePosixPath(name).stem],
    ids=['file_name', 'without folder', 'stem'],
)
def test_images_may_be_named(truth, name):
    named = [{**record, 'image_id': name(NAMES[record['image_id']])} for record in RESULTS]
    detections = load_detections(named, truth)
    assert_same(detections, load_detections(RESULTS, truth))
    assert detections.notes == (
        'images of detections are matched with the file names of the annotations',
    )


def test_an_export_of_fiftyone_is_matched_by_names(truth):
    assert_same(load_detections(EXPORT, truth), load_detections(RESULTS, truth))


def test_boxes_beside_masks_give_the_sizes_as_in_pycocotools(truth):
    """As in detectron2's ``coco_instances_results.json``, which is noted."""
    mask = {'size': [30, 40], 'counts': [120, 615, 465]}
    records = [{**RESULTS[0], 'segmentation': mask}]
    for iou_type in ('bbox', 'segm'):
        assert load_detections(records, truth, iou_type=iou_type).area.tolist() == [48]
    assert load_detections(records, truth).notes == ()
    detections = load_detections(records, truth, iou_type='segm')
    assert detections.notes == (BOXES_BESIDE_MASKS,)
    sized = detections.sized_by_masks()
    assert sized.area.tolist() == [615] and sized.notes == ()
    assert sized.boxes.tolist() == detections.boxes.tolist()


def changed_export(part, index, **change):
    data = copy.deepcopy(EXPORT)
    data[part][index].update(change)
    return data


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (changed_export('categories', 0, name='cel'), "class 'cel' .*; did you mean 'cell'"),
        (changed_export('images', 0, file_name='c.png'), r"image_id 'c.png' is not an image"),
        (changed_export('annotations', 0, image_id=9), r'annotations\[0\]: image_id 9'),
        (
            {**EXPORT, 'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1}]},
            'its objects have no score',
        ),
        ([sample(7, [[0, 0, 1, 1]], [0.5], [2])], r'label 2, but .* 2 classes \(labels 0 to 1\)'),
        ([sample(7, [[0, 0, 1, 1]], [0.5, 0.1], [0])], '1 bboxes, 2 scores and 1 labels'),
        ([dict(img_id=7, pred_instances=dict())], "pred_instances needs 'bboxes'"),
    ],
)
def test_what_does_not_fit_is_one_message(truth, data, message):
    with pytest.raises(UserError, match=message):
        load_detections(data, truth)


def test_a_name_of_two_images_is_refused():
    truth = copy.deepcopy(TRUTH)
    truth['images'][1]['file_name'] = 'y/b.png'
    with pytest.raises(UserError, match=r'is the name of 2 images .*\(y/b.png and x/b.png\)'):
        load_detections([{**RESULTS[0], 'image_id': 'b'}], load_annotations(truth))


def test_missing_images_and_the_order_of_labels_are_said(truth):
    notes = load_detections([sample(7, [], [], [])], truth).notes
    assert any('(0 = nut, 1 = cell)' in note for note in notes)
    assert any('covers 1 of the 2 images' in note for note in notes)


def test_a_pickle_of_something_else_is_one_message(truth, tmp_path):
    dump([[np.zeros((1, 5))]], str(tmp_path / 'old.pkl'))  # as MMDetection 2 wrote them
    with pytest.raises(UserError, match=r"old\.pkl\[0\] is a list; expected an object with 'img_"):
        load_detections(tmp_path / 'old.pkl', truth)
