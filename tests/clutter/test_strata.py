"""Strata: who belongs where, and a stratum drawn at random scores as the whole does."""

import numpy as np
import pytest

from mmdet_spatialattn.clutter import Scope, Strata, Stratification, stratify
from mmdet_spatialattn.clutter.scopes import all_scopes, charged_strata, members
from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import evaluate


def truth_of(*boxes, images=None, crowd=()):
    return load_annotations(
        {
            'images': [{'id': i, 'width': 100, 'height': 100} for i in (1, 2, 3)],
            'categories': [{'id': 1}],
            'annotations': [
                {
                    'id': i + 1,
                    'image_id': images[i] if images else 1,
                    'category_id': 1,
                    'bbox': box,
                    'area': box[2] * box[3],
                    'iscrowd': int(i in crowd),
                }
                for i, box in enumerate(boxes)
            ],
        }
    )


def test_the_default_is_cover_cut_low():
    strata = Strata.parse('cover')
    assert strata == Strata() == Strata('cover', (0.1, 0.3))
    # Free; covered by a tenth (a value at a cut is above it); by three tenths and more.
    truth = truth_of(
        [0, 50, 10, 10], [0, 0, 10, 10], [9, 0, 10, 10], [40, 0, 10, 10], [43, 0, 10, 10]
    )
    sorted_ = strata.apply(truth)
    assert sorted_.names == ('clean', 'touching', 'crowded')
    assert sorted_.labels.tolist() == [0, 1, 1, 2, 2]


def test_a_crowd_region_covers_and_is_in_no_stratum():
    truth = truth_of([0, 0, 10, 10], [0, 0, 90, 90], crowd=[1])
    assert stratify(truth, 'cover').labels.tolist() == [2, -1]


def test_cut_points_name_the_strata():
    truth = truth_of([0, 0, 10, 10], [20, 0, 10, 10])
    assert stratify(truth, 'neighbours:1,2.5').names == (
        'neighbours < 1', 'neighbours 1 to 2.5', 'neighbours >= 2.5',
    )  # fmt: skip


def test_quantiles_make_strata_of_equal_numbers():
    boxes = [[i * 11 % 90, i * 7 % 80, 8, 4 + i] for i in range(12)]
    strata = stratify(truth_of(*boxes), 'rel_size:q3')
    assert np.bincount(strata.labels).tolist() == [4, 4, 4]
    assert len(strata.cuts) == 2
    assert stratify(truth_of(*boxes), Strata('rel_size', strata.cuts)).labels.tolist() == (
        strata.labels.tolist()
    )


def test_names_tell_the_cuts_unless_they_are_the_usual_ones():
    boxes = [[i * 20, 0, 10, 10] for i in range(8)] + [
        [i * 20 + 9 - i, 0, 10, 10] for i in range(4)
    ]
    truth = truth_of(*boxes)
    assert stratify(truth, 'cover:0.1,0.3').names == ('clean', 'touching', 'crowded')
    assert stratify(truth, 'cover:0.05,0.6').names == (
        'cover < 0.05', 'cover 0.05 to 0.6', 'cover >= 0.6',
    )  # fmt: skip
    strata = stratify(truth, 'cover:q6')
    assert len(strata.names) == 5 and strata.names[0].startswith('cover < ')
    assert strata.notes == (
        "'cover' is the same for so many objects that 6 quantiles fall into 5 strata; give cut "
        'points to choose them',
    )
    assert stratify(truth, 'cover:0.05,0.6').notes == ()


def test_a_measure_of_the_image_sorts_whole_images():
    truth = truth_of(*[[0, 0, 5, 5]] * 3, images=[1, 1, 2])
    assert stratify(truth, 'n_objects:2').labels.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    'rule, message',
    [
        ('covr', "unknown clutter measure 'covr'; did you mean 'cover'"),
        ('cover:a', "strata 'cover:a' cannot be read; expected MEASURE:CUT"),
        ('cover:qx', 'cannot be read'),
        ('cover:q1', 'quantiles must be 2 to 100, got 1'),
        ('cover:0.3,0.1', 'must be finite and rise'),
        ('cover:0.1,nan', 'must be finite and rise'),
        ('occlusion', "no object of the annotations has the measure 'occlusion'"),
        ('neighbours:q2', 'quantiles cannot separate them'),
        (Stratification(np.zeros(3, int), ('a',)), 'hold 3 labels, one for every object'),
    ],
)
def test_strata_that_cannot_be_made_are_one_message(rule, message):
    with pytest.raises(UserError, match=message):
        stratify(truth_of([0, 0, 10, 10], [50, 50, 10, 10]), rule)


@pytest.mark.parametrize(
    'labels, names, message',
    [
        ([0, 1], ('a', 'a'), 'all different'),
        ([0, 1], ('a', 'overall'), "not 'overall'"),
        ([0, 2], ('a', 'b'), 'got 0 to 2'),
        ([], (), 'strata need names'),
    ],
)
def test_labels_of_ones_own_are_checked(labels, names, message):
    with pytest.raises(UserError, match=message):
        Stratification(np.array(labels, int), names)


def test_a_false_detection_is_charged_to_the_object_it_overlaps_best_else_the_nearest():
    truth = truth_of([0, 0, 10, 10], [8, 0, 40, 40], [80, 80, 5, 5], images=[1, 1, 1])
    strata = Stratification(np.array([0, 1, 2]), ('a', 'b', 'c'))
    boxes = [[0, 0, 12, 12], [20, 10, 30, 30], [95, 95, 3, 3], [0, 60, 4, 4]]
    detections = load_detections(
        [{'image_id': 1, 'category_id': 1, 'bbox': box, 'score': 0.5} for box in boxes]
        + [{'image_id': 2, 'category_id': 1, 'bbox': boxes[2], 'score': 0.5}],
        truth,
    )
    # By overlap; by overlap; nearest; nearest centre (that of the first object is 57 away, of the
    # second 50); an image without objects.
    assert charged_strata(truth, detections, strata).tolist() == [0, 1, 2, 1, 0]


def test_scopes_are_strata_crossed_with_sizes_and_bounds_belong_to_both():
    scopes = all_scopes(2)
    assert scopes[:4] == [Scope(), Scope(size='small'), Scope(size='medium'), Scope(size='large')]
    assert len(scopes) == 12
    area = np.array([10, 32**2, 96**2, 2e10])
    inside = members(scopes, area, np.array([0, 0, 1, 1]))
    assert inside[0].tolist() == [True, True, True, False]
    assert inside[1].tolist() == [True, True, False, False]
    assert inside[2].tolist() == [False, True, True, False]
    assert inside[scopes.index(Scope(1, 'large'))].tolist() == [False, False, True, False]


def random_strata(rng, n, shares=(0.1, 0.3, 0.6)):
    labels = rng.choice(3, n, p=shares)
    return Stratification(labels, ('tenth', 'third', 'most'))


@pytest.mark.slow
def test_a_stratum_drawn_at_random_scores_as_the_whole_does():
    """Of AP after the lift of small samples is taken off, and of MR^-2 as it is."""
    from tools.benchmarks.evaluation import synthetic

    truth, (detections,) = synthetic(
        n_images=600, n_classes=12, n_objects=6000, n_detections=24_000
    )
    truth = load_annotations(truth)
    detections = load_detections(detections, truth)
    rng = np.random.default_rng(0)
    draws = [evaluate(truth, detections, strata=random_strata(rng, len(truth))) for _ in range(12)]
    overall = draws[0].overall
    assert 0.15 < overall['AP'] < 0.6
    for name in ('tenth', 'third', 'most'):
        ap = np.array([d.metrics[name]['AP'] - d.metrics[name]['AP_lift'] for d in draws])
        mr = np.array([d.metrics[name]['MR'] for d in draws])
        # The draws are of one data set; four standard errors of their mean, and what the lift's own
        # 32 slices leave.
        assert abs(ap.mean() - overall['AP']) < 4 * ap.std() / np.sqrt(12) + 0.004, name
        assert abs(mr.mean() - overall['MR']) < 4 * mr.std() / np.sqrt(12) + 0.004, name
