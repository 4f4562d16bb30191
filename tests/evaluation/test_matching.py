"""Matching: detection for detection what pycocotools does, in any scope."""

import concurrent.futures

import numpy as np
import pytest

from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import pairs
from mmdet_spatialattn.evaluation.matching import FALSE, IGNORED, TRUE, match

from .synthetic import random_problem, with_masks


def truth_of(*boxes, crowd=(), classes=None):
    return load_annotations(
        {
            'images': [{'id': 1}],
            'categories': [{'id': 1}, {'id': 2}],
            'annotations': [
                {
                    'id': i + 1,
                    'image_id': 1,
                    'category_id': classes[i] if classes else 1,
                    'bbox': box,
                    'area': box[2] * box[3],
                    'iscrowd': int(i in crowd),
                }
                for i, box in enumerate(boxes)
            ],
        }
    )


def detections_of(truth, *boxes_and_scores):
    return load_detections(
        [
            {'image_id': 1, 'category_id': 1, 'bbox': box, 'score': score}
            for box, score in boxes_and_scores
        ],
        truth,
    )


def everything(truth, detections):
    return np.ones((1, len(truth)), bool), np.ones((1, len(detections)), bool)


def states(truth, detections, inside=None, countable=None, **kwargs):
    """What each detection, in the order given, is in the only scope at IoU 0.5."""
    all_inside, all_countable = everything(truth, detections)
    matches = match(
        truth,
        detections,
        all_inside if inside is None else np.array([inside]),
        all_countable if countable is None else np.array([countable]),
        thresholds=np.array([0.5]),
        **kwargs,
    )
    out = np.full(len(detections), -1)
    out[matches.order] = matches.status[0, :, 0]
    return out.tolist()


def test_an_object_is_found_once_by_the_highest_score():
    truth = truth_of([0, 0, 10, 10])
    detections = detections_of(
        truth, ([0, 0, 10, 9], 0.3), ([0, 0, 10, 8], 0.9), ([40, 0, 5, 5], 0.5)
    )
    assert states(truth, detections) == [FALSE, TRUE, FALSE]


def test_an_iou_at_the_threshold_is_a_match_and_below_is_none():
    truth = truth_of([0, 0, 10, 10])
    assert states(truth, detections_of(truth, ([0, 0, 10, 5], 0.9))) == [TRUE]
    assert states(truth, detections_of(truth, ([0, 0, 10, 4.99], 0.9))) == [FALSE]


def test_a_crowd_region_takes_any_number_and_counts_for_none():
    truth = truth_of([0, 0, 100, 100], crowd=[0])
    detections = detections_of(
        truth, ([0, 0, 10, 10], 0.9), ([5, 5, 9, 9], 0.8), ([200, 0, 9, 9], 0.7)
    )
    assert states(truth, detections) == [IGNORED, IGNORED, FALSE]


def test_an_object_in_the_scope_is_preferred_to_a_better_one_outside():
    truth = truth_of([0, 0, 10, 10], [1, 0, 10, 10])
    detections = detections_of(truth, ([1, 0, 10, 10], 0.9))
    assert states(truth, detections, inside=[True, False]) == [TRUE]
    assert states(truth, detections, inside=[False, False]) == [IGNORED]


def test_an_unmatched_detection_counts_where_it_is_charged():
    truth = truth_of([0, 0, 10, 10])
    detections = detections_of(truth, ([50, 0, 10, 10], 0.9), ([70, 0, 10, 10], 0.8))
    assert states(truth, detections, countable=[True, False]) == [FALSE, IGNORED]


def test_only_so_many_of_an_image_and_class_count():
    truth = truth_of([0, 0, 10, 10])
    detections = detections_of(truth, *(([i, 0, 10, 10], 1 - i / 10) for i in range(5)))
    assert states(truth, detections, max_detections=2) == [TRUE, FALSE, -1, -1, -1]


def test_the_matched_object_is_named():
    truth = truth_of([50, 0, 10, 10], [0, 0, 10, 10], classes=[1, 1])
    detections = detections_of(truth, ([90, 0, 10, 10], 0.9), ([0, 0, 10, 10], 0.8))
    assert match(truth, detections, *everything(truth, detections)).matched_object.tolist() == [
        [-1, 1]
    ]


@pytest.mark.parametrize('masks', [False, True])
def test_random_scopes_match_as_pycocotools_does(masks):
    for seed in range(15):
        rng = np.random.default_rng([seed, 1])
        problem = random_problem(rng, objects=10, detections=25, crowd=0.2)
        if masks:
            problem = with_masks(rng, *problem)
        truth = load_annotations(problem[0])
        detections = load_detections(problem[1], truth, iou_type='segm' if masks else 'bbox')
        inside, countable = (
            rng.random((4, len(truth))) < 0.5,
            rng.random((4, len(detections))) < 0.5,
        )
        ours = match(truth, detections, inside, countable)
        theirs = match(truth, detections, inside, countable, engine='pycocotools')
        assert (ours.status == theirs.status).all()
        assert (ours.matched_object == theirs.matched_object).all()


def test_parts_and_threads_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    truth, detections = random_problem(rng, n_images=40, objects=10, detections=30)
    truth = load_annotations(truth)
    detections = load_detections(detections, truth)
    inside, countable = rng.random((3, len(truth))) < 0.5, rng.random((3, len(detections))) < 0.5
    whole = match(truth, detections, inside, countable)
    monkeypatch.setattr(pairs, '_CHUNK', 50)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        parts = match(truth, detections, inside, countable, map_fn=pool.map)
    assert (whole.status == parts.status).all()
    assert (whole.matched_object == parts.matched_object).all()


def test_an_unknown_engine_is_one_message():
    truth = truth_of([0, 0, 10, 10])
    with pytest.raises(UserError, match=r"unknown engine 'pycocotool'; did you mean 'pycocotools'"):
        states(truth, detections_of(truth, ([0, 0, 10, 10], 0.9)), engine='pycocotool')
