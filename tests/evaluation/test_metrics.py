"""COCO's numbers: those of pycocotools, to the last bit."""

import json

import numpy as np
import pytest

from mmdet_spatialattn.clutter.scopes import all_scopes, members
from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import IOU_THRESHOLDS, evaluate, match
from mmdet_spatialattn.evaluation.metrics import (
    RECALL_THRESHOLDS,
    coco_statistics,
    count_objects,
)

from .synthetic import pycocotools_evaluate, random_problem, with_masks


def statistics(truth, detections, iou_type='bbox', caps=(1, 10, 100)):
    truth = load_annotations(truth)
    detections = load_detections(detections, truth, iou_type=iou_type)
    inside = members(all_scopes(0), truth.area, truth.category) & ~truth.iscrowd
    charged = members(all_scopes(0), detections.area, detections.category)
    matches = match(truth, detections, inside, charged, max_detections=caps[-1])
    n_objects = count_objects(truth.category, inside, len(truth.category_ids))
    return coco_statistics(matches, n_objects, caps)


def test_thresholds_are_those_of_pycocotools():
    params = pycocotools_evaluate(*random_problem(np.random.default_rng(0))).params
    assert params.iouThrs.tolist() == IOU_THRESHOLDS.tolist()
    assert params.recThrs.tolist() == RECALL_THRESHOLDS.tolist()


def test_the_official_files_give_the_published_numbers(repository):
    folder = repository / 'tests' / 'data' / 'val2014_100'
    truth = folder / 'instances_val2014_100.json'
    boxes = statistics(truth, folder / 'instances_val2014_fakebbox100_results.json')
    published = [0.505, 0.697, 0.573, 0.586, 0.519, 0.501]
    published += [0.387, 0.594, 0.595, 0.640, 0.566, 0.564]
    assert [round(value, 3) for value in boxes.values()] == published
    assert boxes['AP'] == 0.5045806987249628
    assert boxes['AP50'] == 0.6969727247299577
    assert boxes['AP75'] == 0.5729816669904824
    masks = statistics(truth, folder / 'instances_val2014_fakesegm100_results.json', 'segm')
    assert masks['AP'] == 0.3195452758576433
    result = evaluate(truth, folder / 'instances_val2014_fakebbox100_results.json')
    assert result.overall['AP'] == 0.5045806987249628


def test_a_crowd_of_people_gives_the_published_numbers(repository):
    folder = repository / 'tests' / 'data' / 'crowd'
    truth = json.loads((folder / 'gt_ignore_test.json').read_text())
    detections = json.loads((folder / 'dt_ignore_test.json').read_text())
    with pytest.raises(UserError, match=r"another type \(as '2299'\)"):
        load_annotations(truth)  # the image is '2299' here and 2299 there
    for entry in (*truth['annotations'], *detections):
        entry['image_id'] = '2299'
    detections = [entry for entry in detections if entry['score'] >= 0.1]
    got = statistics(truth, detections)
    expected = {'AP': 0.70990099, 'AP50': 1, 'AP75': 0.84158416}
    expected |= {'AR1': 0, 'AR10': 0.45384615, 'AR100': 0.71538462}
    assert {key: got[key] for key in expected} == pytest.approx(expected, abs=5e-9)


PROBLEMS = {
    'usual': {},
    'no ties': {'ties': False},
    'one image': {'n_images': 1},
    'one class': {'n_classes': 1},
    'many classes': {'n_classes': 12},
    'no crowd': {'crowd': 0},
    'much crowd': {'crowd': 0.6},
    'only crowd': {'crowd': 1},
    'few objects': {'objects': 1, 'detections': 3},
    'no objects': {'objects': 0},
    'no detections': {'detections': 0},
    'over the cap': {'n_images': 2, 'n_classes': 1, 'objects': 60, 'detections': 260},
}


@pytest.mark.parametrize('name', PROBLEMS)
def test_random_sets_give_the_numbers_of_pycocotools(name):
    for seed in range(20):
        truth, detections = random_problem(np.random.default_rng([seed, 7]), **PROBLEMS[name])
        expected = pycocotools_evaluate(truth, detections).stats.tolist()
        assert list(statistics(truth, detections).values()) == expected, (name, seed)


def test_random_masks_give_the_numbers_of_pycocotools():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth, detections = with_masks(rng, *random_problem(rng))
        if seed % 3 == 0:  # masks alone: another rule for the area
            for entry in detections:
                del entry['bbox']
        if seed % 3 == 1:  # boxes alone: they stand for masks
            for entry in detections:
                del entry['segmentation']
        if not detections:
            continue
        expected = pycocotools_evaluate(truth, compress(truth, detections), 'segm').stats.tolist()
        assert list(statistics(truth, compress(truth, detections), 'segm').values()) == expected, (
            seed
        )


def compress(truth, detections):
    """Masks alone must be compressed run lengths, in pycocotools' results as in ours."""
    from pycocotools import mask as mask_api

    sizes = {image['id']: (image['height'], image['width']) for image in truth['images']}
    return [
        entry
        if 'bbox' in entry
        else {
            **entry,
            'segmentation': mask_api.merge(
                mask_api.frPyObjects(entry['segmentation'], *sizes[entry['image_id']])
            ),
        }
        for entry in detections
    ]


def test_traps_of_the_format_are_kept():
    """An id 0, an ``ignore`` without crowd, flat boxes, huge areas: pycocotools' way each time."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth, detections = random_problem(rng, objects=8)
        for entry in truth['annotations']:
            entry['ignore'] = int(rng.random() < 0.2)
            if rng.random() < 0.1:
                entry['bbox'][2] = 0
            if rng.random() < 0.1:
                entry['area'] = 2e10
        for entry in detections:
            if rng.random() < 0.1:
                entry['bbox'][3] = 0
        if truth['annotations']:
            truth['annotations'][0]['id'] = 0
        expected = pycocotools_evaluate(truth, detections).stats.tolist()
        assert list(statistics(truth, detections).values()) == expected, seed


def test_the_caps_are_those_of_the_caller():
    truth, detections = random_problem(
        np.random.default_rng(3), n_classes=1, objects=20, detections=40
    )
    evaluator = pycocotools_evaluate(truth, detections, caps=(2, 5, 7))
    got = statistics(truth, detections, caps=(2, 5, 7))
    # pycocotools reads its first number at 100 detections whatever the caps are.
    assert list(got.values())[1:] == evaluator.stats.tolist()[1:]
    assert list(got)[6:9] == ['AR2', 'AR5', 'AR7']
