"""Replicates: a counted image is an image written out as often, and TIDE's numbers are TIDE's."""

import contextlib
import copy
import io

import numpy as np
import pytest

from mmdet_spatialattn.clutter import Scope, Stratification, stratify
from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.evaluation import (
    ERROR_METRIC,
    ERROR_TYPES,
    CurveKey,
    EvaluationTask,
    evaluate,
    evaluate_run,
)
from mmdet_spatialattn.evaluation.curve_kernel import FPPI, LANES
from mmdet_spatialattn.evaluation.resampling import draw_weights
from mmdet_spatialattn.results import Refused

from .synthetic import pycocotools_evaluate, random_problem


def task_of(truth, **kwargs):
    annotations = load_annotations(truth)
    return EvaluationTask(annotations, stratify(annotations), **kwargs)


def evaluate_with_replicates(truth, detections):
    task = task_of(truth)
    return evaluate_run(task, load_detections(detections, task.annotations))


def written_out(truth, detections, counts):
    """The data set in which image ``i`` (by id) occurs ``counts[i]`` times, with ids of its own."""
    ids = sorted(image['id'] for image in truth['images'])
    copies = {i: [i * 1000 + n for n in range(count)] for i, count in zip(ids, counts)}
    out = {**truth, 'images': [], 'annotations': []}
    for image in truth['images']:
        out['images'] += [{**image, 'id': new} for new in copies[image['id']]]
    for entry in truth['annotations']:
        for new in copies[entry['image_id']]:
            number = len(out['annotations']) + 1
            out['annotations'].append({**entry, 'image_id': new, 'id': number})
    return out, [
        {**entry, 'image_id': new} for entry in detections for new in copies[entry['image_id']]
    ]


def test_counted_images_equal_images_written_out():
    truth, detections = random_problem(
        np.random.default_rng(5), n_images=30, n_classes=3, objects=9, detections=25, ties=False
    )
    task = task_of(truth)
    run = evaluate_run(task, load_detections(detections, task.annotations), n_boot=20, seed=3)
    counts = np.concatenate([draw_weights(np.arange(30), 3, block) for block in range(2)], axis=1)
    for b in range(21):
        data = written_out(truth, detections, counts[:, b])
        evaluator = pycocotools_evaluate(*data)
        stats = np.where(evaluator.stats == -1, np.nan, evaluator.stats)  # no object
        expected = dict(zip(['AP', 'AP50', 'AP75', 's', 'm', 'l'], stats))
        for metric in ('AP', 'AP50', 'AP75'):
            assert run.replicates[CurveKey(Scope(), metric)][b] == pytest.approx(
                expected[metric], abs=1e-12
            )
        for size in ('small', 'medium', 'large'):
            got = run.replicates[CurveKey(Scope(size=size), 'AP')][b]
            assert got == pytest.approx(expected[size[0]], abs=1e-12, nan_ok=True)
        assert run.replicates[CurveKey(Scope(), 'AR100')][b] == pytest.approx(stats[8], abs=1e-12)


def test_counted_images_equal_images_written_out_in_strata():
    """A stratum in a replicate is the stratum of the data set written out, measure by measure."""
    truth, detections = random_problem(
        np.random.default_rng(8), n_images=25, n_classes=2, objects=9, detections=25, ties=False
    )
    task = task_of(truth)
    run = evaluate_run(task, load_detections(detections, task.annotations), n_boot=9, seed=1)
    counts = draw_weights(np.arange(25), 1, 0)
    for b in range(10):
        again = evaluate_with_replicates(*written_out(truth, detections, counts[:, b]))
        for s, name in enumerate(task.strata.names):
            for metric, value in again.evaluation.metrics[name].items():
                if metric != 'AP_lift':
                    got = run.replicates[CurveKey(Scope(s), metric)][b]
                    expected = np.nan if isinstance(value, Refused) else value
                    assert got == pytest.approx(expected, abs=1e-12, nan_ok=True), (name, metric)
            for error in ERROR_TYPES:
                key = CurveKey(Scope(s), ERROR_METRIC, error=error)
                value = again.replicates[key][0]
                assert run.replicates[key][b] == pytest.approx(value, abs=1e-12, nan_ok=True)


def test_a_counted_group_equals_its_images_written_out():
    """Three images share a scene; pycocotools evaluates the resampled scenes written out."""
    truth, detections = random_problem(
        np.random.default_rng(6), n_images=36, n_classes=2, objects=6, detections=15, ties=False
    )
    scenes = {image['id']: 'xyz'[i % 3] * (i // 9 + 1) for i, image in enumerate(truth['images'])}
    for image in truth['images']:
        image['scene'] = scenes[image['id']]
    task = task_of(truth, group_by='scene')
    run = evaluate_run(task, load_detections(detections, task.annotations), n_boot=12, seed=2)
    rng = np.random.default_rng([2, 0])
    names = list(dict.fromkeys(scenes[i] for i in sorted(scenes)))
    draws = rng.integers(0, 12, (LANES, 12))
    for b in range(1, 13):
        drawn = [names[n] for n in draws[b]]
        counts = [drawn.count(scenes[i]) for i in sorted(scenes)]
        expected = pycocotools_evaluate(*written_out(truth, detections, counts)).stats[0]
        assert run.replicates[CurveKey(Scope(), 'AP')][b] == pytest.approx(expected, abs=1e-12)
    whole = pycocotools_evaluate(truth, detections).stats[0]
    assert run.replicates[CurveKey(Scope(), 'AP')][0] == pytest.approx(whole, abs=1e-12)


def test_replicates_are_multinomial_and_the_first_is_the_data():
    counts = np.concatenate([draw_weights(np.arange(50), 0, block) for block in range(40)], axis=1)
    assert (counts[:, 0] == 1).all()
    assert (counts.sum(axis=0) == 50).all()
    drawn = counts[:, 1:]
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(49 / 50, rel=0.05)
    assert counts.shape == (50, 40 * LANES)


def test_neither_threads_nor_the_number_of_replicates_change_a_replicate():
    from concurrent.futures import ThreadPoolExecutor

    truth, detections = random_problem(np.random.default_rng(2), n_images=20)
    task = task_of(truth)
    detections = load_detections(detections, task.annotations)
    first = evaluate_run(task, detections, n_boot=40, seed=7).replicates
    with ThreadPoolExecutor(4) as pool:
        many = evaluate_run(task, detections, n_boot=70, seed=7, map_fn=pool.map).replicates
    for key, values in first.items():
        np.testing.assert_array_equal(values, many[key][:41])


def log_average_miss_rate(truth, detections):
    """MR^-2 of one class with a loop: for each rate, the detections above a score that keep it."""
    evaluator = pycocotools_evaluate(truth, detections)
    images = [e for e in evaluator.evalImgs[: len(truth['images'])] if e is not None]
    n_objects = sum((e['gtIgnore'] == 0).sum() for e in images)
    rows = [
        (-score, bool(match), bool(ignored))
        for e in images
        for score, match, ignored in zip(e['dtScores'], e['dtMatches'][0], e['dtIgnore'][0])
    ]
    rows.sort(key=lambda row: row[0])
    rates = []
    for rate in FPPI:
        false = true = best = 0
        for _, match, ignored in rows:
            if ignored:
                continue
            true += match
            false += not match
            if false <= rate * len(truth['images']):
                best = true
        rates.append(max(1 - best / n_objects, 1e-10))
    return np.exp(np.mean(np.log(rates)))


def test_the_miss_rate_is_that_of_a_loop():
    for seed in range(10):
        truth, detections = random_problem(
            np.random.default_rng(seed), n_images=40, n_classes=1, ties=False, detections=20
        )
        expected = log_average_miss_rate(truth, detections)
        assert evaluate(truth, detections).overall['MR'] == pytest.approx(expected, abs=1e-12)


def test_in_a_stratum_the_miss_rate_counts_every_false_detection():
    """Two objects found, one missed; one false detection above one hit: by hand."""
    box = [0, 0, 10, 10]
    truth = {
        'images': [{'id': i} for i in range(1, 4)],
        'categories': [{'id': 1}],
        'annotations': [
            {'id': i, 'image_id': i, 'category_id': 1, 'bbox': box, 'area': 100}
            for i in range(1, 4)
        ],
    }
    detections = [
        {'image_id': 1, 'category_id': 1, 'bbox': box, 'score': 0.9},
        {'image_id': 3, 'category_id': 1, 'bbox': [50, 0, 10, 10], 'score': 0.8},
        {'image_id': 2, 'category_id': 1, 'bbox': box, 'score': 0.7},
    ]
    labels = Stratification(np.array([0, 0, 1]), ('first', 'second'))
    result = evaluate(truth, detections, strata=labels)
    # One false detection is 1/3 per image: allowed at the rates 0.562 and 1 of the nine only.
    misses = np.array([1 / 2] * 7 + [1e-10] * 2)
    assert result.metrics['first']['MR'] == pytest.approx(np.exp(np.log(misses).mean()))
    assert result.metrics['second']['MR'] == pytest.approx(1)
    misses = np.array([2 / 3] * 7 + [1 / 3] * 2)
    assert result.overall['MR'] == pytest.approx(np.exp(np.log(misses).mean()))


def tide_of(truth, detections):
    from tidecv import TIDE, Data
    from tidecv.errors import main_errors as kinds

    ground, results = Data('truth', max_dets=1000), Data('found', max_dets=1000)
    for entry in truth['annotations']:
        add = ground.add_ignore_region if entry['iscrowd'] else ground.add_ground_truth
        add(entry['image_id'], entry['category_id'], entry['bbox'])
    for image in truth['images']:
        ground.add_image(image['id'], str(image['id']))
    for entry in detections:
        results.add_detection(
            entry['image_id'], entry['category_id'], entry['score'], entry['bbox']
        )
    with contextlib.redirect_stdout(io.StringIO()):
        tide = TIDE()
        run = tide.evaluate(ground, results, mode=TIDE.BOX)
        fixed = run.fix_main_errors()
    names = {
        'class': kinds.ClassError,
        'localisation': kinds.BoxError,
        'both': kinds.OtherError,
        'duplicate': kinds.DuplicateError,
        'background': kinds.BackgroundError,
        'missed': kinds.MissedError,
    }
    counts = run.count_errors()
    return (
        run.ap / 100,
        {name: fixed[kind] / 100 for name, kind in names.items()},
        {name: counts[kind] for name, kind in names.items()},
    )


def test_error_types_are_those_of_tide():
    """Where the two agree on what is evaluated: no crowd, objects of every class."""
    compared = 0
    for seed in range(40):
        truth, detections = random_problem(
            np.random.default_rng([seed, 3]),
            n_images=12, n_classes=3, objects=8, detections=20, crowd=0, ties=False,
        )  # fmt: skip
        present = {entry['category_id'] for entry in truth['annotations']}
        truth['categories'] = [k for k in truth['categories'] if k['id'] in present]
        detections = [entry for entry in detections if entry['category_id'] in present]
        ap, gains, counts = tide_of(copy.deepcopy(truth), copy.deepcopy(detections))
        run = evaluate_with_replicates(truth, detections)
        if run.evaluation.overall['AP50'] != pytest.approx(ap, abs=1e-9):
            continue  # matched otherwise: TIDE takes the best object, COCO the best that is free
        compared += 1
        assert run.evaluation.errors['overall'] == counts
        for name, gain in gains.items():
            got = run.replicates[CurveKey(Scope(), ERROR_METRIC, error=name)][0]
            # TIDE reads the precision at recalls n / 100, COCO at n * 0.01, which is above it for
            # some n: one recall of one class of three may differ.
            assert max(got, 0) == pytest.approx(gain, abs=1 / 303), (seed, name)
    assert compared >= 20


def test_the_jaccard_index_of_one_class_by_hand():
    """Two overlapping objects, three detections: two pairs whichever way, one left over."""
    truth = {
        'images': [{'id': 1}, {'id': 2}],
        'categories': [{'id': 1}],
        'annotations': [
            {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 10, 10], 'area': 100},
            {'id': 2, 'image_id': 1, 'category_id': 1, 'bbox': [2, 0, 10, 10], 'area': 100},
            {'id': 3, 'image_id': 2, 'category_id': 1, 'bbox': [0, 0, 10, 10], 'area': 100},
        ],
    }
    detections = [
        # The first could take either object, the second only the one on the left.
        {'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 10, 10], 'score': 0.9},
        {'image_id': 1, 'category_id': 1, 'bbox': [-3, 0, 10, 10], 'score': 0.8},
        {'image_id': 1, 'category_id': 1, 'bbox': [70, 0, 10, 10], 'score': 0.05},
    ]
    result = evaluate(truth, detections)
    # Above 0.1: 2 / (2 + 2 - 2) in the first image, 0 in the second.
    assert result.overall['JI'] == pytest.approx(0.5)
    assert result.metrics['crowded']['JI'] == pytest.approx(1)
    assert result.metrics['clean']['JI'] == pytest.approx(0)


def test_the_jaccard_index_is_that_of_a_matching_library():
    """SciPy's maximum matching, image by image and score by score."""
    from pycocotools import mask as mask_api
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    for seed in range(10):
        truth, detections = random_problem(
            np.random.default_rng(seed), n_classes=1, objects=12, detections=30, crowd=0
        )
        best = 0
        for level in np.arange(10) / 10:
            ratios = []
            for image in truth['images']:
                objects = [e['bbox'] for e in truth['annotations'] if e['image_id'] == image['id']]
                above = [
                    e['bbox']
                    for e in detections
                    if e['image_id'] == image['id'] and e['score'] > level
                ]
                pairs = 0
                if objects and above:
                    near = mask_api.iou(above, objects, [0] * len(objects)) >= 0.5
                    pairs = (maximum_bipartite_matching(csr_matrix(near)) >= 0).sum()
                if objects or above:
                    ratios.append(pairs / (len(objects) + len(above) - pairs))
            best = max(best, np.mean(ratios))
        assert evaluate(truth, detections).overall['JI'] == pytest.approx(best)
