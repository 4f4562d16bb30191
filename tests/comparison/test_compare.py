"""Comparing arms: what is concluded, what is refused, and what the JSON holds."""

import copy
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from mmdet_spatialattn.cli import main
from mmdet_spatialattn.clutter import Scope, Stratification, stratify
from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.comparison import compare
from mmdet_spatialattn.comparison.compare import _more_seeds
from mmdet_spatialattn.comparison.power import SEEDS, Design, detectable, stored_components
from mmdet_spatialattn.comparison.sequential import Plan, levels_of_looks
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import CurveKey, EvaluationTask, evaluate_run
from mmdet_spatialattn.results import Bounds, Comparison, Estimate, Refused
from mmdet_spatialattn.results.base import VERSION

from ..evaluation.synthetic import pycocotools_evaluate, random_problem, with_masks


@pytest.fixture(autouse=True)
def _no_floor(monkeypatch):
    """The random detections here find too little for a verdict; the floor has its own test."""
    monkeypatch.setattr('mmdet_spatialattn.comparison.verdict.LOWEST_AP', 0.0)


@pytest.fixture(scope='module')
def problem():
    """Annotations and four runs: two of one detector, two of one that misplaces its boxes less."""
    truth, detected = random_problem(
        np.random.default_rng(1),
        n_images=160,
        n_classes=2,
        objects=12,
        detections=30,
        ties=False,
        side=130,
    )
    runs = {}
    for name, noise in (('a0', 0.12), ('a1', 0.12), ('b0', 0.02), ('b1', 0.02)):
        rng = np.random.default_rng(sum(map(ord, name)))
        runs[name] = copy.deepcopy(detected)
        for entry in runs[name]:
            entry['bbox'] = (np.array(entry['bbox']) * np.exp(rng.normal(0, noise, 4))).tolist()
    return truth, runs


@pytest.fixture(scope='module')
def files(problem, tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs')
    truth, runs = problem
    for name, data in (('truth', truth), *runs.items()):
        (folder / f'{name}.json').write_text(json.dumps(data))
    return folder


def test_a_better_arm_is_found_better(problem):
    truth, runs = problem
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0'], runs['b1']]}
    result = compare(truth, arms, n_boot=300)
    effect = result.effect('better')
    points = [result.arms[arm].metrics['overall']['AP'] for arm in ('better', 'base')]
    assert effect.estimate == pytest.approx(points[0] - points[1], abs=1e-12)
    assert 0 < effect.low < effect.estimate < effect.high
    assert effect.p <= effect.p_adjusted < 0.05
    assert 0 < effect.simultaneous.low <= effect.low
    assert result.verdicts['better'].word.startswith('helps')
    reverse = compare(truth, arms, baseline='better', n_boot=300)
    assert reverse.verdicts['base'].word == 'hurts'


def test_the_effect_on_a_class_is_that_of_its_objects_alone(problem):
    truth, runs = problem
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0'], runs['b1']]}
    result = compare(truth, arms, n_boot=100)
    used = truth['annotations'][0]['category_id']
    (unused,) = (c['name'] for c in truth['categories'] if c['id'] != used)
    sizes = {size.name: size.objects for size in result.classes}
    assert sizes == {f'class {used}': result.test_set.objects, unused: 0}
    refused = Refused(f"'{unused}': 0 objects; a conclusion needs 30")
    assert result.class_effects['better'][unused] == result.arms['base'].classes[unused] == refused
    own = [category for category in truth['categories'] if category['id'] == used]
    parts = {
        arm: [[d for d in run if d['category_id'] == used] for run in entries]
        for arm, entries in arms.items()
    }
    alone = compare({**truth, 'categories': own}, parts, n_boot=100)
    assert alone.class_effects == {'better': {}} and alone.arms['base'].classes == {}
    effect, expected = result.class_effects['better'][f'class {used}'], alone.effect('better')
    for name in ('estimate', 'low', 'high', 'p'):
        assert getattr(effect, name) == pytest.approx(getattr(expected, name), abs=1e-12)
    level = alone.arms['better'].intervals['overall']
    assert result.arms['better'].classes[f'class {used}'].low == pytest.approx(level.low)


def test_an_arm_against_itself_shows_no_effect(problem):
    truth, runs = problem
    result = compare(truth, {'a': [runs['a0']], 'same': [runs['a0']]}, n_boot=100)
    effect = result.effect('same')
    assert (effect.estimate, effect.low, effect.high, effect.p) == (0, 0, 0, 1)
    assert result.verdicts['same'].word == 'no verdict'
    assert 'exactly what the run of the baseline' in result.verdicts['same'].sentence


def test_the_seeds_that_are_missing_are_those_of_every_open_question():
    open_one = Estimate(0.004, -0.001, 0.009, 0.005, 99.0, 0.5, 0.5, 0.01, Bounds(-0.006, 0.014))
    settled = replace(open_one, simultaneous=Bounds(-0.002, 0.004))
    wide = replace(open_one, simultaneous=Bounds(-0.096, 0.104))
    number = partial(_more_seeds, n=4, delta=0.005)
    assert number(settled) == 0 == number(replace(open_one, simultaneous=Bounds(0.001, 0.02)))
    assert number(open_one) == 21  # 4 * (1.0 / 0.4) ** 2 = 25 seeds in all
    assert number(wide) is None


def test_the_gain_is_the_difference_of_effects(problem):
    truth, runs = problem
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0'], runs['b1']]}
    result = compare(truth, arms, n_boot=100)
    for metric in ('AP', 'AP50', 'AR100', 'MR'):
        gain = result.gain('better', metric=metric)
        parts = [result.effect('better', name, metric).estimate for name in ('crowded', 'clean')]
        assert gain.estimate == pytest.approx(parts[0] - parts[1], abs=1e-12)


def test_the_size_adjusted_gain_weighs_as_the_crowded_objects_are(problem):
    truth, runs = problem
    result = compare(truth, {'base': [runs['a0']], 'better': [runs['b0']]}, n_boot=100)
    held = {stratum.name: stratum.sizes for stratum in result.strata}
    sizes = [
        z
        for z in ('small', 'medium', 'large')
        if min(held[s][z] for s in ('clean', 'crowded')) >= 30
    ]
    assert len(sizes) >= 2
    annotations = load_annotations(truth)
    task = EvaluationTask(annotations, stratify(annotations))
    replicates = {
        arm: evaluate_run(task, load_detections(runs[name], annotations)).replicates
        for arm, name in (('base', 'a0'), ('better', 'b0'))
    }

    def cell(arm, stratum, size):
        return replicates[arm][CurveKey(Scope(stratum, size), 'AP')][0]

    expected = sum(
        held['crowded'][z]
        * (cell('better', 2, z) - cell('base', 2, z) - cell('better', 0, z) + cell('base', 0, z))
        for z in sizes
    ) / sum(held['crowded'][z] for z in sizes)
    gain = result.gain('better', 'size_adjusted')
    assert gain.estimate == pytest.approx(expected, abs=1e-12)


def test_copies_of_the_images_grouped_with_them_add_no_certainty(problem):
    """Every image three times: by groups all is as without the copies, by images it is not."""
    truth, runs = problem
    copies = {**truth, 'images': [], 'annotations': []}
    detected = {name: [] for name in ('a0', 'b0')}
    for image in truth['images']:
        copies['images'] += [
            {**image, 'id': 10 * image['id'] + n, 'scene': image['id']} for n in range(3)
        ]
    for n in range(3):
        for entry in truth['annotations']:
            copies['annotations'].append(
                {**entry, 'image_id': 10 * entry['image_id'] + n, 'id': 10 * entry['id'] + n}
            )
        for name, entries in detected.items():
            entries += [{**e, 'image_id': 10 * e['image_id'] + n} for e in runs[name]]

    def gain(truth, runs, **kwargs):
        arms = {'base': [runs['a0']], 'better': [runs['b0']]}
        result = compare(truth, arms, n_boot=200, **kwargs)
        return result, result.gain('better')

    (_, alone), (grouped, once) = gain(truth, runs), gain(copies, detected, group_by='scene')
    for part in ('estimate', 'low', 'high', 'p', 'se', 'df'):
        assert getattr(once, part) == pytest.approx(getattr(alone, part), abs=1e-12), part
    _, naive = gain(copies, detected)
    assert (naive.high - naive.low) / (alone.high - alone.low) == pytest.approx(3**-0.5, rel=0.15)
    assert grouped.settings.group_by == 'scene'
    assert grouped.strata[0].images == 3 * grouped.strata[0].groups


def test_the_same_seed_gives_the_same_json_on_any_number_of_threads(problem):
    truth, runs = problem
    arms = {'base': [runs['a0']], 'better': [runs['b0']]}
    single, four = (compare(truth, arms, n_boot=120, threads=n) for n in (1, 4))
    assert single.to_json() == four.to_json()
    other = compare(truth, arms, n_boot=120, seed=1)
    assert single.effects != other.effects
    for arm, result in single.arms.items():
        assert result.metrics == other.arms[arm].metrics
        assert result.intervals != other.arms[arm].intervals


def test_the_engines_agree(problem):
    truth, runs = problem
    arms = {'base': [runs['a0']], 'better': [runs['b0']]}
    ours, theirs = (
        compare(truth, arms, n_boot=100, engine=engine).to_dict()
        for engine in ('compiled', 'pycocotools')
    )
    ours['settings'].pop('engine'), theirs['settings'].pop('engine')
    assert ours == theirs


def test_the_json_has_the_documented_shape(problem):
    truth, runs = problem
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0'], runs['b1']]}
    comparison = compare(truth, arms, n_boot=100)
    data = json.loads(comparison.to_json())
    assert Comparison.from_dict(data) == comparison
    assert (data['format'], data['version']) == ('mmdet_spatialattn comparison', VERSION)
    base = data['arms']['base']
    metrics = ['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'ARs', 'ARm', 'ARl', 'MR']
    for name in [*metrics, 'AR1', 'AR10', 'AR100']:
        mean = np.mean([run['metrics']['overall'][name] for run in base['runs']])
        assert base['metrics']['overall'][name] == pytest.approx(mean)
    assert set(base['metrics']) == {'overall', 'clean', 'touching', 'crowded'}
    assert {'name', 'objects', 'images', 'sizes', 'enough'} <= set(data['strata'][0])
    assert set(base['metrics']['clean']) >= {'AP', 'AP_lift', 'MR'}
    estimate = {'estimate', 'low', 'high', 'p', 'p_adjusted', 'detectable', 'se', 'df'}
    estimate |= {'simultaneous'}
    assert set(data['effects']['better']['overall']['AP']) == estimate
    assert set(data['effects']['better']['crowded']['AP']) == estimate
    assert set(data['clutter_gain']['better']['plain']['AP']) == estimate
    assert set(data['error_effects']['better']['overall']['missed']) == estimate
    assert set(data['verdicts']['better']) == {'word', 'sentence'}


def test_a_stratum_with_too_few_objects_is_refused_in_words(problem):
    truth, runs = problem
    labels = np.ones(len(truth['annotations']), int)
    labels[:7] = 0
    arms = {'base': [runs['a0']], 'better': [runs['b0']]}
    strata = Stratification(labels, ('few', 'many'))
    result = compare(truth, arms, strata=strata, n_boot=100)
    n = int((~load_annotations(truth).iscrowd[:7]).sum())
    refusal = Refused(f"'few': {n} objects; a conclusion needs 30")
    assert set(result.effects['better']['few'].values()) == {refusal}
    assert set(result.clutter_gain['better']['plain'].values()) == {refusal}
    with pytest.raises(UserError, match=f"'few': {n} objects"):
        _ = result.effect('better', 'few').low
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0'], runs['b1']]}
    repeated = compare(truth, arms, strata=strata, n_boot=100)
    assert f'There is no clutter gain: {refusal}' in repeated.verdicts['better'].sentence
    assert f"Note: nothing is concluded from 'few': {n} objects" in str(result)


def test_unequal_numbers_of_runs_are_said(problem):
    truth, runs = problem
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0']]}
    result = compare(truth, arms, n_boot=100)
    assert any('different numbers of runs (base 2, better 1)' in note for note in result.notes)
    assert np.isfinite(result.effect('better').df)
    single = compare(truth, {k: v[:1] for k, v in arms.items()}, n_boot=100)
    assert any('not the noise of training' in note for note in single.notes)


def test_runs_with_the_same_detections_are_said(problem):
    truth, runs = problem
    arms = {'base': [runs['a0'], list(runs['a0'])], 'better': [runs['b0'], runs['b1']]}
    notes = compare(truth, arms, n_boot=100).notes
    assert any("'base' has runs with the same detections" in note for note in notes)


def test_runs_of_as_many_loaded_detections_are_not_taken_for_one(problem):
    truth, runs = problem
    truth = load_annotations(truth)
    loaded = {name: load_detections(runs[name], truth) for name in ('a0', 'a1', 'b0', 'b1')}
    assert len({repr(detected) for detected in loaded.values()}) == 1
    arms = {'base': [loaded['a0'], loaded['a1']], 'better': [loaded['b0'], loaded['b1']]}
    assert len(compare(truth, arms, n_boot=100).arms['base'].runs) == 2


@pytest.mark.parametrize(
    'arms, kwargs, message',
    [
        ({'a': ['x']}, {}, 'needs two arms or more, got a'),
        ({'a': ['x'], 'b': []}, {}, "arm 'b' has no run"),
        ({'a': ['x'], 'b': 'y.json'}, {}, "arm 'b' is one source; expected a list"),
        ({'a': ['x'], 'b': [{'image_id': 1}]}, {}, "arm 'b' is a list of detections"),
        ({'a': ['x', 'x'], 'b': ['y']}, {}, "arm 'a' has x twice"),
        (
            {'a': ['x'], 'bee': ['y']},
            {'baseline': 'beee'},
            "unknown baseline 'beee'; did you mean 'bee'",
        ),
        ({'a': ['x'], 'b': ['y']}, {'n_boot': 5}, 'at least 100 replicates'),
    ],
)
def test_arms_that_cannot_be_compared_are_one_message(problem, arms, kwargs, message):
    with pytest.raises(UserError, match=message):
        compare(problem[0], arms, **kwargs)


def test_the_command_prints_the_table_and_writes_the_json(files, capsys):
    arguments = [str(files / 'truth.json'), '--n-boot', '100', '--json', str(files / 'out.json')]
    for arm, letter in (('base', 'a'), ('better', 'b')):
        arguments += ['--arm', arm, *(str(files / f'{letter}{i}.json') for i in (0, 1))]
    assert main(['compare', *arguments]) == 0
    out = capsys.readouterr().out
    for text in ('crowded', 'better against base', 'clutter gain', 'size-adjusted', 'better: '):
        assert text in out
    assert json.loads((files / 'out.json').read_text())['settings']['baseline'] == 'base'


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--arm', 'a', 'a0.json'], 'needs two arms or more'),
        (['a0.json', 'b0.json', '--arm', 'a', 'a0.json'], 'give all arms in one way'),
        (['--images', 'x', '--arm', 'a', 'a0.json'], 'give the page with --html PAGE too'),
        (['--arm', 'a0.json', 'a1.json', '--arm', 'b', 'b0.json'], 'expected a name and then'),
        (['--arm', 'a', 'a0.json', '--arm', 'a', 'b0.json'], "arm 'a' is given twice"),
        (['--arm', 'a', 'a0.json', '--arm', 'b', 'truth.json'], 'this is an annotation file'),
        (['--arm', 'a', 'a0.json', '--arm', 'b', 'none.json'], 'cannot read none.json'),
        (['--strata', 'cove:0.1'], "unknown clutter measure 'cove'; did you mean 'cover'"),
        (['--strata', 'cover:0.3,0.1'], 'must be finite and rise'),
        (['--strata', 'cover:x'], "strata 'cover:x' cannot be read"),
        (['--engine', 'fast'], "unknown engine 'fast'"),
        (['--group-by', 'scene'], "truth.json: image 2 has no 'scene' (160 of 160 images"),
        (['--group-by', 'width'], "truth.json: 'width' puts the 160 images into 1 groups"),
    ],
)
def test_a_mistake_is_one_line(files, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(files)
    if '--arm' not in arguments:
        arguments = ['--arm', 'a', 'a0.json', '--arm', 'b', 'b0.json', *arguments]
    assert main(['compare', 'truth.json', *arguments, '--json', 'never.json']) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1
    assert not (files / 'never.json').exists()


def test_files_by_position_are_arms_with_the_names_of_the_files(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    arguments = [
        'truth.json',
        'b0.json',
        '--n-boot',
        '100',
        'a0.json',
        '--json',
        'by-position.json',
    ]
    assert main(['compare', *arguments, '--html', 'page.html']) == 0
    assert 'page.html' in capsys.readouterr().out.splitlines()[-1]
    arms = Comparison.read('by-position.json').arms
    assert {name: arm.runs[0].source for name, arm in arms.items()} == {
        'b0': 'b0.json',
        'a0': 'a0.json',
    }
    page = (files / 'page.html').read_text(encoding='utf-8')
    assert 'No pictures: no folder of images was given' in page
    for heading in ('Dose-response', 'Cost against effect', 'Inserted modules', 'Save the plan'):
        assert heading not in page


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['a/x.json', 'b/x.json'], '--arm NAME a/x.json --arm OTHER b/x.json'),
        ([], 'no detections to compare on truth.json'),
    ],
)
def test_files_that_name_no_arms_are_one_line(capsys, arguments, message):
    assert main(['compare', 'truth.json', *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1


def test_detections_of_other_annotations_are_one_line(files, tmp_path, capsys):
    truth = json.loads((files / 'truth.json').read_text())
    for image in truth['images']:
        image['id'] += 100_000
    truth['annotations'] = []
    other = tmp_path / 'other.json'
    other.write_text(json.dumps(truth))
    arms = ['--arm', 'a', str(files / 'a0.json'), '--arm', 'b', str(files / 'b0.json')]
    assert main(['compare', str(other), *arms]) == 2
    assert 'do the two belong to the same split?' in capsys.readouterr().err


def test_images_that_reach_the_cap_are_said(problem):
    truth, runs = problem
    arms = {'base': [runs['a0']], 'better': [runs['b0']]}
    notes = compare(truth, arms, n_boot=100, max_detections=(1, 2, 4)).notes
    (note,) = (n for n in notes if 'images reach the cap of 4 detections of a class' in n)
    assert note.endswith('(1 other run alike)')
    assert not any('reach the cap' in note for note in compare(truth, arms, n_boot=100).notes)


def test_masks_are_compared_too(problem):
    truth, runs = (copy.deepcopy(part) for part in problem)
    rng = np.random.default_rng(0)
    with_masks(rng, truth, runs['a0'])
    with_masks(rng, {'annotations': []}, runs['b0'])
    arms = {'base': [runs['a0']], 'better': [runs['b0']]}
    result = compare(truth, arms, n_boot=100, iou_type='segm')
    expected = pycocotools_evaluate(truth, runs['a0'], 'segm').stats[0]
    assert result.arms['base'].runs[0].overall['AP'] == expected


def test_the_figure_and_the_frame_hold_the_estimates(problem):
    pytest.importorskip('plotly')
    pytest.importorskip('pandas')
    truth, runs = problem
    result = compare(truth, {'base': [runs['a0']], 'b<r>': [runs['b0']]}, n_boot=100)
    frame = result.to_pandas()
    row = frame.query("quantity == 'effect' and scope == 'overall' and metric == 'AP'")
    effect = result.effect('b<r>')
    assert row['estimate'].item() == effect.estimate
    markers = next(trace for trace in result.plot().data if trace.mode == 'markers')
    assert markers.x[0] == pytest.approx(100 * effect.estimate)
    assert 'b<r>' not in markers.hovertemplate and 'b<r>' not in markers.customdata[0]


def test_one_training_each_gives_no_verdict_on_the_method(problem):
    truth, runs = problem
    result = compare(truth, {'base': [runs['a0']], 'better': [runs['b0']]}, n_boot=300)
    assert result.effect('better').low > 0
    assert result.verdicts['better'].word == 'one training each'


def test_runs_are_paired_by_their_seeds(problem):
    truth, runs = problem
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0'], runs['b1']]}
    seeds = {'base': [0, 1], 'better': [0, 1]}
    paired = compare(truth, arms, n_boot=200, seeds=seeds)
    assert paired.settings.paired and not compare(truth, arms, n_boot=100).settings.paired
    swapped = compare(
        truth,
        {'base': arms['base'], 'better': arms['better'][::-1]},
        n_boot=200,
        seeds={'base': [0, 1], 'better': [1, 0]},
    )
    for part in ('estimate', 'low', 'high', 'p', 'se', 'df'):
        first, second = (getattr(c.effect('better'), part) for c in (paired, swapped))
        assert first == pytest.approx(second, abs=1e-12)
    assert [str(question) for question in paired.settings.questions] == ['AP overall', 'AP crowded']


def test_a_question_of_its_own_gets_the_whole_error_budget(problem):
    truth, runs = problem
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0'], runs['b1']]}
    both = compare(truth, arms, n_boot=200).effect('better', 'crowded')
    alone = compare(truth, arms, n_boot=200, questions=[('AP', 'crowded')])
    assert alone.effect('better', 'crowded').simultaneous.low > both.simultaneous.low
    assert alone.effect('better').p_adjusted == alone.effect('better').p


def test_seeds_are_added_until_it_is_clear(problem):
    """The intervals are those of the look, the states those of the decisions at this look."""
    truth, runs = problem
    rng = np.random.default_rng(0)

    def moved(run, noise):
        run = copy.deepcopy(run)
        for entry in run:
            entry['bbox'] = (np.array(entry['bbox']) * np.exp(rng.normal(0, noise, 4))).tolist()
        return run

    arms = {
        'base': [moved(runs['b0'], 0.001) for _ in range(4)],
        'worse': [moved(runs['b0'], 0.15) for _ in range(4)],
        'same': [moved(runs['b0'], 0.001) for _ in range(4)],
    }
    options = dict(n_boot=100, delta=0.01, looks=(2, 4), questions=[('AP', 'overall')])
    seeds = {arm: [0, 1, 2, 3] for arm in arms}
    whole = compare(truth, arms, seeds=seeds, **options)
    assert whole.settings.looks == (2, 4)
    assert whole.looks['worse'].states == {'AP overall': 'worse'}
    assert whole.verdicts['worse'].word == 'hurts'
    assert not whole.looks['worse'].open
    hopeless = compare(truth, arms, seeds=seeds, **{**options, 'delta': 1e-6})
    notes = [note for note in hopeless.notes if 'equivalent within' in note]
    assert len(notes) == 1 and notes[0].startswith('AP overall: it takes ')
    assert not any('equivalent within' in note for note in whole.notes)
    stopped = {arm: runs[: whole.looks[arm].seeds] for arm, runs in arms.items() if arm != 'base'}
    stopped['base'] = arms['base']
    again = compare(
        truth,
        {arm: stopped[arm] for arm in arms},
        seeds={arm: [0, 1, 2, 3][: len(stopped[arm])] for arm in arms},
        **options,
    )
    assert again.looks == whole.looks
    for arm in ('worse', 'same'):
        effect, expected = again.effect(arm), whole.effect(arm)
        assert (effect.estimate, effect.simultaneous) == (expected.estimate, expected.simultaneous)
        look = whole.looks[arm].seeds
        level = levels_of_looks(2, Plan(looks=(2, 4)))[look]
        assert (effect.p_adjusted < 0.05) == (effect.simultaneous.sign != 0)
        fixed = compare(
            truth,
            {name: entries[:look] for name, entries in arms.items()},
            seeds={name: [0, 1, 2, 3][:look] for name in arms},
            **{**options, 'looks': ()},
        ).effect(arm)
        assert fixed.simultaneous.low >= effect.simultaneous.low - 1e-12  # looks are paid for
        assert level < 0.05 or look == 4
    early = compare(
        truth,
        {arm: entries[:1] for arm, entries in arms.items()},
        seeds={arm: [0] for arm in arms},
        **options,
    )
    assert early.looks['same'].seeds == 0 and early.looks['same'].open
    assert 'the first planned look is still to come' in early.verdicts['same'].sentence


def test_a_comparison_says_what_it_could_see(problem):
    """The stored variance components give the stored curve; a pilot of one seed says nothing."""
    truth, runs = problem
    arms = {'base': [runs['a0'], runs['a1']], 'better': [runs['b0'], runs['b1']]}
    seeds = {arm: [0, 1] for arm in arms}
    result = compare(truth, arms, seeds=seeds, n_boot=100)
    power = result.power['AP overall']
    assert [n for n, _ in power.curve] == list(SEEDS)
    effects = [effect for _, effect in power.curve]
    assert effects == sorted(effects, reverse=True) and effects[-1] > 0
    design = Design(8, power.n_arms, level=power.level)
    assert dict(power.curve)[8] == detectable(stored_components(power), design)
    single = {arm: entries[:1] for arm, entries in arms.items()}
    assert compare(truth, single, seeds={arm: [0] for arm in arms}, n_boot=100).power == {}
    assert compare(truth, arms, n_boot=100).power == {}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'questions': [('AP', 'croded')]}, "unknown scope 'croded'; did you mean 'crowded'"),
        ({'questions': [('AB', 'overall')]}, r"unknown metric 'AB' \(known: AP, AP50"),
        ({'seeds': {'base': [0]}}, "arm 'better' has 1 runs; its seeds must be 1 different ones"),
        ({'seeds': {'base': [0], 'better': [1]}}, "'better' has no seed in common with 'base'"),
    ],
)
def test_questions_and_seeds_that_do_not_fit_are_one_message(problem, options, message):
    truth, runs = problem
    arms = {'base': [runs['a0']], 'better': [runs['b0']]}
    with pytest.raises(UserError, match=message):
        compare(truth, arms, n_boot=100, **options)
