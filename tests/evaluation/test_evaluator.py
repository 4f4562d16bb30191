"""The evaluation of a run: COCO's numbers in a typed result, and why a number is missing."""

import dataclasses

import numpy as np
import pytest

from mmdet_spatialattn.clutter import Scope, Stratification, stratify
from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import CurveKey, EvaluationTask, evaluate, evaluate_run, n_steps
from mmdet_spatialattn.results import Evaluation, Refused, Stratum

from .synthetic import pycocotools_evaluate, random_problem

BOX = {'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 10, 10]}
TRUTH = {
    'images': [{'id': 1}, {'id': 2}],
    'categories': [{'id': 1}, {'id': 2}],
    'annotations': [{**BOX, 'id': 1, 'area': 100}, {**BOX, 'id': 2, 'area': 100, 'image_id': 2}],
}
FOUND = [{**BOX, 'score': 0.9}]


def task_with_strata(labels, names=('few', 'many'), **kwargs):
    truth, _ = random_problem(np.random.default_rng(0), n_images=40, objects=10, crowd=0)
    truth['images'].sort(key=lambda image: image['id'])
    for i, image in enumerate(truth['images']):
        image['scene'] = i // 2
    annotations = load_annotations(truth)
    labels = labels(len(annotations))
    return EvaluationTask(annotations, Stratification(labels, names), **kwargs)


def test_the_overall_metrics_are_those_of_pycocotools_or_refused():
    for seed in range(20):
        truth, detections = random_problem(np.random.default_rng([seed, 5]), objects=2)
        expected = pycocotools_evaluate(truth, detections).stats.tolist()
        metrics = evaluate(truth, detections).overall
        assert list(metrics)[9:13] == ['ARs', 'ARm', 'ARl', 'MR']
        got = [metrics[name] for name in list(metrics)[:12]]
        assert [-1 if isinstance(value, Refused) else value for value in got] == expected
        assert -1 not in got


def test_the_ap_of_a_class_is_that_of_pycocotools_and_ap_is_their_mean():
    for seed in range(5):
        rng = np.random.default_rng([seed, 6])
        truth, detections = random_problem(rng, n_images=30, n_classes=4)
        annotations = load_annotations(truth)
        task = EvaluationTask(annotations, stratify(annotations, 'cover'))
        run = evaluate_run(task, load_detections(detections, annotations), n_boot=40)
        precision = pycocotools_evaluate(truth, detections).eval['precision'][:, :, :, 0, -1]
        expected = precision.mean(axis=(0, 1))  # classes by rising id; -1 without objects
        observed = np.nan_to_num(run.class_precisions[:, 0], nan=-1)
        assert observed == pytest.approx(expected) and (expected == -1).sum() == 1
        replicates = run.replicates[CurveKey(Scope(), 'AP')]
        assert np.nanmean(run.class_precisions, axis=0) == pytest.approx(replicates)
    one_class = {**truth, 'categories': truth['categories'][:1]}
    one_class['annotations'] = []
    annotations = load_annotations(one_class)
    task = EvaluationTask(annotations, stratify(annotations, 'cover'))
    run = evaluate_run(task, load_detections([], annotations), n_boot=40)
    assert run.class_precisions.shape == (0, 41)


def test_a_missing_number_says_why():
    evaluation = evaluate(TRUTH, FOUND)
    assert evaluation.overall['APs'] == pytest.approx(51 / 101)
    assert evaluation.overall['APl'] == evaluation.overall['ARl'] == Refused('no large objects')
    crowded = evaluation.metrics['crowded']
    assert crowded['AP'] == crowded['MR'] == crowded['AP_lift'] == Refused('no objects')
    assert evaluation.metrics['clean']['AP'] == pytest.approx(51 / 101)
    nothing = evaluate({**TRUTH, 'annotations': []}, FOUND)
    assert set(nothing.overall.values()) == {
        Refused(f'no {size}objects') for size in ('', 'small ', 'medium ', 'large ')
    }


def test_the_result_is_stored_and_read_as_it_is():
    evaluation = evaluate(TRUTH, FOUND)
    assert Evaluation.from_dict(evaluation.to_dict()) == evaluation
    assert 'no large objects' in evaluation.to_json()


def test_a_run_is_its_evaluation_and_its_replicates():
    annotations = load_annotations(TRUTH)
    task = EvaluationTask(annotations, Stratification(np.array([0, 0]), ('all', 'none')))
    steps = []
    run = evaluate_run(
        task, load_detections(FOUND, annotations), n_boot=30, on_step=lambda: steps.append(1)
    )
    assert len(steps) == n_steps(30)
    for name, scope in task.named_scopes.items():
        replicates = run.replicates[CurveKey(scope, 'AP')]
        assert replicates.shape == (31,)
        metric = run.evaluation.metrics[name]['AP']
        assert isinstance(metric, Refused) == np.isnan(replicates[0])
    # In a replicate the first image, the second, or each once: AP 1, 0, or 51 / 101.
    values = run.replicates[CurveKey(Scope(), 'AP')]
    np.testing.assert_allclose(np.unique(values), [0, 51 / 101, 1])
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.evaluation = None


def test_a_scope_that_is_too_small_is_refused():
    task = task_with_strata(lambda n: np.where(np.arange(n) < 7, 0, 1))
    assert task.refusal(Scope(1)) is None
    assert task.refusal(Scope(1), Scope(0)) == Refused("'few': 7 objects; a conclusion needs 30")
    task = task_with_strata(lambda n: np.zeros(n, int), group_by='scene')
    few_scenes = np.where(task.annotations.image < 18, 0, 1)
    task = task_with_strata(lambda n: few_scenes, group_by='scene')
    assert task.counts[Scope(0)].objects >= 30
    assert task.refusal(Scope(0)) == Refused("'few': 9 groups; a conclusion needs 10")
    small = task.refusal(Scope(0, 'large'))
    assert small.reason.startswith("'few' (large): ")


def test_strata_are_described_with_their_sizes_and_groups():
    task = task_with_strata(lambda n: np.where(np.arange(n) < 7, 0, 1))
    few, many = task.describe_strata()
    assert few == Stratum('few', 7, few.images, few.sizes, enough=False)
    assert sum(few.sizes.values()) >= 7  # a bound belongs to two sizes
    assert many.objects == len(task.annotations) - 7 and many.enough and many.groups is None
    grouped = task_with_strata(lambda n: np.ones(n, int), group_by='scene').describe_strata()[1]
    assert grouped.groups <= 20 < grouped.images


def test_too_few_groups_are_one_message():
    with pytest.raises(UserError, match=r"'scene' puts the 40 images into 1 groups; .* needs 10"):
        task = task_with_strata(lambda n: np.zeros(n, int))
        for record in task.annotations.image_records:
            record['scene'] = 'one'
        EvaluationTask(task.annotations, task.strata, group_by='scene')
