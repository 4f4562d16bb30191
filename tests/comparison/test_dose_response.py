"""AP by dose: that of the images of a dose alone, and what sums the doses up."""

import copy
import json

import numpy as np
import pytest

from mmdet_spatialattn.clutter import Scope, stratify_images
from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.comparison import compare, dose_response
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import (
    CurveKey,
    EvaluationTask,
    average_precisions,
    evaluate,
    evaluate_run,
)
from mmdet_spatialattn.results import DoseResponse, Refused

from ..evaluation.synthetic import pycocotools_evaluate, random_problem

BOX = [0, 0, 10, 10]


@pytest.fixture(scope='module')
def problem():
    """Annotations at three levels, the highest with images without objects; three runs."""
    truth, detected = random_problem(
        np.random.default_rng(4), n_images=120, n_classes=2, objects=8, detections=20, ties=False
    )
    for i, image in enumerate(truth['images']):
        image.update(level=i % 3, scene=f'scene {i // 3}')
    runs = {}
    for name, noise in (('a0', 0.1), ('a1', 0.1), ('b0', 0.02)):
        rng = np.random.default_rng(sum(map(ord, name)))
        runs[name] = copy.deepcopy(detected)
        for entry in runs[name]:
            entry['bbox'] = (np.array(entry['bbox']) * np.exp(rng.normal(0, noise, 4))).tolist()
    return truth, runs


def images_of(truth, detected, level):
    ids = {image['id'] for image in truth['images'] if image['level'] == level}
    alone = {
        **truth,
        'images': [image for image in truth['images'] if image['id'] in ids],
        'annotations': [entry for entry in truth['annotations'] if entry['image_id'] in ids],
    }
    return alone, [entry for entry in detected if entry['image_id'] in ids]


def doses_by_hand(hits):
    """Twenty images with one object each at three levels; of which so many are found, no others."""
    truth = {
        'images': [{'id': i, 'level': i // 20 * 2.5} for i in range(60)],
        'categories': [{'id': 1, 'name': 'cell'}],
        'annotations': [
            {'id': i + 1, 'image_id': i // 2, 'category_id': 1, 'bbox': [50 * (i % 2), 0, 10, 10]}
            for i in range(120)
        ],
    }
    detected = [
        {'image_id': 20 * level + i // 2, 'category_id': 1, 'score': 0.9,
         'bbox': [50 * (i % 2), 0, 10, 10]}
        for level, n in enumerate(hits)
        for i in range(n)
    ]  # fmt: skip
    return truth, detected


def test_the_ap_of_a_dose_is_that_of_its_images_alone(problem):
    truth, runs = problem
    result = dose_response(truth, {'a': [runs['a0'], runs['a1']], 'b': [runs['b0']]}, n_boot=100)
    assert result.doses == (0, 1, 2)
    assert result.images == (40, 40, 40)
    for arm, names in (('a', ['a0', 'a1']), ('b', ['b0'])):
        for run, name in zip(result.arms[arm].runs, names):
            for level, ap in enumerate(run.AP):
                expected = pycocotools_evaluate(*images_of(truth, runs[name], level)).stats[0]
                assert ap == pytest.approx(expected, abs=1e-12)
    means = np.mean([run.AP for run in result.arms['a'].runs], axis=0)
    assert [interval.estimate for interval in result.arms['a'].mean.AP] == pytest.approx(means)
    effects = [effect.estimate for effect in result.effects['b'].AP]
    assert effects == pytest.approx(result.arms['b'].runs[0].AP - means)


def test_a_false_detection_in_an_image_without_objects_counts_at_its_own_dose():
    truth, detected = doses_by_hand((40, 40, 40))
    truth['annotations'] = [e for e in truth['annotations'] if e['image_id'] != 59]
    detected = [entry for entry in detected if entry['image_id'] != 59]
    detected.append({'image_id': 59, 'category_id': 1, 'score': 1.0, 'bbox': BOX})
    (run,) = dose_response(truth, {'a': [detected]}, n_boot=100).arms['a'].runs
    # The first detection of the last dose is false: precision n / (n + 1), at best 38 / 39.
    assert pytest.approx([1, 1, 38 / 39]) == run.AP
    strata = stratify_images(load_annotations(truth), 'level')
    metrics = evaluate(truth, detected, strata=strata).metrics
    assert [metrics[name]['AP'] for name in strata.names] == pytest.approx(run.AP)


def test_what_sums_up_the_doses_by_hand():
    """Found 40, 20 and 10 of 40: AP 1, and the recalls 0 to 0.5 and 0 to 0.25 of 101."""
    truth, detected = doses_by_hand((40, 20, 10))
    result = dose_response(truth, {'a': [detected]}, n_boot=200)
    assert (result.doses, result.images, result.objects) == ((0, 2.5, 5), (20,) * 3, (40,) * 3)
    (run,) = result.arms['a'].runs
    assert pytest.approx([1, 51 / 101, 26 / 101]) == run.AP
    assert run.mPC == pytest.approx((51 + 26) / 202)
    assert run.rPC == pytest.approx((51 + 26) / 202)
    assert result.effects == {}
    mean = result.arms['a'].mean.mPC
    assert mean.estimate == pytest.approx(run.mPC)
    assert mean.low < mean.estimate < mean.high
    assert mean.df == 19
    assert (result.arms['a'].mean.AP[0].low, result.arms['a'].mean.AP[0].high) == (1, 1)


def test_the_ratio_is_that_of_each_run_averaged(problem):
    truth, runs = problem
    arm = dose_response(truth, {'a': [runs['a0'], runs['a1']]}, n_boot=100).arms['a']
    for run in arm.runs:
        assert run.mPC == pytest.approx((run.AP[1] + run.AP[2]) / 2)
        assert run.rPC == pytest.approx(run.mPC / run.AP[0])
    for name in ('mPC', 'rPC'):
        mean = np.mean([getattr(run, name) for run in arm.runs])
        assert getattr(arm.mean, name).estimate == pytest.approx(mean)


def test_arms_with_the_same_detections_have_no_effect(problem):
    truth, runs = problem
    result = dose_response(truth, {'a': [runs['a0']], 'same': [runs['a0']]}, n_boot=100)
    row = result.effects['same']
    for effect in (*row.AP, row.mPC, row.rPC):
        assert (effect.estimate, effect.low, effect.high, effect.p_adjusted) == (0, 0, 0, 1)


def test_the_p_values_are_adjusted_over_arms_and_doses(problem):
    truth, runs = problem
    arms = {'a': [runs['a0']], 'b': [runs['b0']], 'c': [runs['a1']]}
    effects = dose_response(truth, arms, n_boot=100).effects
    family = sorted((effect for row in effects.values() for effect in row.AP), key=lambda e: e.p)
    assert len(family) == 6
    for effect in family:
        assert effect.p_adjusted == pytest.approx(min(1, 6 * effect.p))
        assert effect.simultaneous.low <= effect.low
    for name in ('mPC', 'rPC'):
        best = min((getattr(row, name) for row in effects.values()), key=lambda e: e.p)
        assert best.p_adjusted == pytest.approx(min(1, 2 * best.p))


def test_runs_that_share_seeds_are_compared_seed_by_seed(problem):
    """The effect at a dose is that of a comparison with the doses as strata."""
    truth, runs = load_annotations(problem[0]), problem[1]
    arms = {'a': [runs['a0'], runs['b0']], 'b': [runs['a1'], runs['a0']]}
    seeds = {'a': [3, 4], 'b': [4, 3]}
    options = dict(n_boot=100, seeds=seeds, max_detections=(1, 10, 50))
    dose = dose_response(truth, arms, **options).effects['b'].AP
    comparison = compare(truth, arms, strata=stratify_images(truth, 'level'), **options)
    for level, effect in enumerate(dose):
        expected = comparison.effect('b', f'level {level}')
        assert (effect.low, effect.high) == pytest.approx((expected.low, expected.high))
        assert effect.p_adjusted >= expected.p_adjusted
    apart = dose_response(truth, arms, n_boot=100).effects['b'].AP
    assert apart[0].low != dose[0].low
    with pytest.raises(UserError, match="arm 'b' has no seed in common with 'a'"):
        dose_response(truth, arms, seeds={'a': [0, 1], 'b': [2, 3]})


def test_the_replicates_are_those_of_the_whole_evaluation(problem):
    truth, runs = problem
    truth = load_annotations(truth)
    task = EvaluationTask(truth, stratify_images(truth, 'level'))
    detections = load_detections(runs['a0'], truth)
    some = average_precisions(task, detections, n_boot=40, seed=5)
    whole = evaluate_run(task, detections, n_boot=40, seed=5)
    for s, values in enumerate(some.values):
        np.testing.assert_array_equal(values, whole.replicates[CurveKey(Scope(s), 'AP')])


def test_scenes_that_are_there_at_every_dose_are_resampled_whole(problem):
    """The difference of two doses is paired then: with the same detections it does not vary."""
    truth, runs = problem
    at = {image['id']: image for image in truth['images']}
    first = [e for e in truth['annotations'] if at[e['image_id']]['level'] == 0]
    ids = {(image['scene'], image['level']): image['id'] for image in truth['images']}
    copies, detected = [], []
    for level in range(3):
        for entry in first:
            image_id = ids[at[entry['image_id']]['scene'], level]
            copies.append({**entry, 'image_id': image_id, 'id': len(copies) + 1})
        for entry in runs['a0']:
            if at[entry['image_id']]['level'] == 0:
                image_id = ids[at[entry['image_id']]['scene'], level]
                detected.append({**entry, 'image_id': image_id})
    same = {**truth, 'annotations': copies}
    ratio = dose_response(same, {'a': [detected]}, n_boot=100, group_by='scene').arms['a'].mean.rPC
    assert (ratio.low, ratio.estimate, ratio.high) == pytest.approx((1, 1, 1))
    ratio = dose_response(same, {'a': [detected]}, n_boot=100).arms['a'].mean.rPC
    assert ratio.low < 0.97 < 1.03 < ratio.high


def test_the_json_has_the_documented_shape(problem):
    truth, runs = problem
    arms = {'a': [runs['a0'], runs['a1']], 'b': [runs['b0']]}
    result = dose_response(truth, arms, n_boot=100, group_by='scene')
    data = json.loads(result.to_json())
    assert DoseResponse.from_dict(data) == result
    assert {'field', 'doses', 'images', 'objects', 'arms', 'effects', 'notes'} <= set(data)
    assert set(data['arms']['a']) == {'mean', 'runs'}
    assert set(data['arms']['a']['runs'][0]) == {'source', 'AP', 'mPC', 'rPC'}
    interval = {'estimate', 'low', 'high', 'se', 'df'}
    means = [data['arms'][arm]['mean'] for arm in ('a', 'b')]
    for entry in (*means[0]['AP'], means[1]['mPC'], means[1]['rPC']):
        assert set(entry) == interval
    assert set(data['effects']) == {'b'}
    for one in (*data['effects']['b']['AP'], data['effects']['b']['mPC']):
        assert set(one) == interval | {'p', 'p_adjusted', 'detectable', 'simultaneous'}
    assert any('different numbers of runs' in note for note in data['notes'])
    text = str(result)
    assert 'level 2' in text and 'against a' in text and 'rPC' in text
    frame = pytest.importorskip('pandas') and result.to_pandas()
    assert len(frame) == 15
    row = frame.query("quantity == 'effect' and metric == 'AP' and dose == 1")
    assert row['estimate'].item() == result.effects['b'].AP[1].estimate


def test_a_dose_with_too_few_images_is_refused_in_words():
    truth, detected = doses_by_hand((40, 40, 40))
    truth['images'] += [{'id': 100 + i, 'level': 9} for i in range(3)]
    result = dose_response(truth, {'a': [detected], 'b': [detected]}, n_boot=100)
    mean, effect = result.arms['a'].mean, result.effects['b']
    refusal = Refused("'level 9': 0 objects; a conclusion needs 30")
    assert mean.AP[3] == mean.mPC == refusal
    assert effect.AP[3] == effect.rPC == refusal
    assert effect.AP[2].estimate == 0
    assert isinstance(result.arms['a'].runs[0].AP[3], Refused)
    assert "nothing is concluded from 'level 9': 0 objects; a conclusion needs 30" in result.notes


def test_threads_do_not_change_the_numbers(problem):
    truth, runs = problem
    arms = {'a': [runs['a0']], 'b': [runs['b0']]}
    single, four = (dose_response(truth, arms, n_boot=120, threads=n) for n in (1, 4))
    assert single == four


@pytest.mark.parametrize(
    'change, kwargs, message',
    [
        ({}, {'field': 'leve'}, r"image 0 has no 'leve'; did you mean 'level'\? \(60 of 60 images"),
        ({'level': 'high'}, {}, "image 7 has 'high' as 'level'; expected a number"),
        ({'level': None}, {}, "image 7 has null as 'level'; expected a finite number or a text"),
        ({'level': float('nan')}, {}, "image 7 has nan as 'level'"),
        ({}, {'field': 'one'}, "'one' of the images has 1 different values; expected 2 to 100"),
        ({}, {'group_by': 'level'}, "'level' puts the 60 images into 3 groups; .* needs 10"),
        ({}, {'group_by': 'scene'}, "image 0 has no 'scene'"),
        ({}, {'n_boot': 9}, 'at least 100 replicates'),
        ({}, {'baseline': 'c'}, "unknown baseline 'c'"),
    ],
)
def test_doses_that_cannot_be_read_are_one_message(change, kwargs, message):
    truth, detected = doses_by_hand((40, 40, 40))
    for image in truth['images']:
        image['one'] = 1
    truth['images'][7].update(change)
    with pytest.raises(UserError, match=message):
        dose_response(truth, {'a': [detected]}, **kwargs)


def test_no_arm_is_one_message():
    with pytest.raises(UserError, match='needs one arm or more, got none'):
        dose_response(doses_by_hand((1, 1, 1))[0], {})


def test_doses_are_strata_of_a_comparison_too(problem):
    truth, runs = problem
    truth = load_annotations(truth)
    arms = {'a': [runs['a0']], 'b': [runs['b0']]}
    comparison = compare(truth, arms, strata=stratify_images(truth, 'level'), n_boot=100)
    by_dose = dose_response(truth, arms, n_boot=100).effects['b'].AP
    for level in range(3):
        effect = comparison.effect('b', f'level {level}')
        assert effect.estimate == by_dose[level].estimate
        assert (effect.low, effect.high) == (by_dose[level].low, by_dose[level].high)
