"""The page of a sweep: it shows what the result says, and can be used without a mouse."""

import copy
import html as html_module
import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import ERROR_TYPES
from mmdet_spatialattn.experiments.plan import load_plan
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.report import write_sweep_markdown, write_sweep_page
from mmdet_spatialattn.results import Audit, Estimate, Refused, Run, SweepResult
from mmdet_spatialattn.tables import points
from tests.report.pages import (
    NASTY,
    Reader,
    check_that_it_is_readable_without_eyes,
    check_that_it_loads_nothing,
    overflows,
)
from tests.report.sweeps import write_sweep

ARM = 'cbam-backbone'
VERSION_1 = Path(__file__).parents[1] / 'data/verdict-version-1.json'


@pytest.fixture(scope='module')
def sweep(tmp_path_factory):
    """A sweep's folder with its page; tests that change it work on copies."""
    folder = tmp_path_factory.mktemp('sweep')
    write_pages(write_sweep(folder), folder)
    return folder


@pytest.fixture(scope='module')
def result(sweep):
    return SweepResult.read(sweep / 'verdict.json')


@pytest.fixture
def changed(sweep, tmp_path):
    """A copy of the sweep's folder, with its result, for tests that change them."""
    folder = shutil.copytree(sweep, tmp_path / 'sweep')
    return folder, SweepResult.read(folder / 'verdict.json')


@pytest.fixture(scope='module')
def page(sweep):
    return read_page(sweep)


def read_page(folder):
    return Reader((folder / 'report.html').read_text(encoding='utf-8'))


def write_pages(result, folder):
    assert write_sweep_page(result, folder) == folder / 'report.html'
    assert write_sweep_markdown(result, folder) == folder / 'report.md'
    return read_page(folder)


def table(page, caption):
    """Return the body of the only table whose caption begins so."""
    (rows,) = [rows for title, rows in page.tables.items() if title.startswith(caption)]
    return rows[1:]


def cells(estimate):
    change, ends = str(estimate).split(' ', 1)
    p = '< 0.001' if estimate.p_adjusted < 0.001 else f'{estimate.p_adjusted:.3f}'
    return change, ends, str(estimate.simultaneous), p, points(estimate.detectable)


def test_the_page_shows_the_numbers_of_the_comparison(result, page):
    comparison = result.comparison
    assert comparison.scopes == ('overall', 'clean', 'touching', 'crowded')
    effects, gains = [], []
    for arm, scopes in comparison.effects.items():
        effects += [[arm, scope, *cells(scopes[scope]['AP'])] for scope in comparison.scopes]
        for kind, name in (('plain', 'plain'), ('size_adjusted', 'size-adjusted')):
            gains.append([arm, name, *cells(comparison.clutter_gain[arm][kind]['AP'])])
        scopes = comparison.error_effects[arm]
        errors = [
            [kind, *(str(scopes[scope][kind]) for scope in comparison.scopes)]
            for kind in scopes['overall']
        ]
        caption = f'Change of the AP50 that each type of error costs, in points: {arm}'
        assert len(errors) == 6 and table(page, caption) == errors
    assert len(effects) == 8 and len(gains) == 4
    assert table(page, 'Effects on AP') == effects
    assert table(page, 'Clutter gains') == gains
    means, runs = [], []
    for name, arm in comparison.arms.items():
        means.append([name, '2', *(points(metrics['AP']) for metrics in arm.metrics.values())])
        for seed, run in enumerate(arm.runs):
            numbers = [points(metrics['AP']) for metrics in run.metrics.values()]
            runs.append([f'{name}/seed_{seed}', *numbers])
    assert table(page, 'AP in points, mean') == means
    assert table(page, 'AP of every run') == runs


def test_the_page_shows_every_class(result, page):
    comparison = result.comparison
    for arm, effects in comparison.class_effects.items():
        rows = table(page, f'AP by class in points: {arm}')
        assert [row[0] for row in rows] == [size.name for size in comparison.classes]
        assert sum(int(row[1]) for row in rows) == comparison.test_set.objects
        for name, _, before, after, *numbers in rows:
            effect = effects[name]
            if isinstance(effect, Refused):
                assert (before, after, numbers[0]) == ('-', '-', '-')
                assert f'No effect (-): {effect.reason}' in page.words()
            else:
                assert before == str(comparison.arms['narrow'].classes[name])
                assert after == str(comparison.arms[arm].classes[name])
                assert numbers == [*cells(effect)[:4]]
    assert any(isinstance(effect, Estimate) for effect in effects.values())


def test_the_page_shows_the_numbers_of_the_doses(result, page):
    effects = [
        [arm, *map(str, (*effect.AP, effect.mPC, effect.rPC))]
        for arm, effect in result.dose.effects.items()
    ]
    means = [
        [name, *map(str, (*arm.mean.AP, arm.mean.mPC, arm.mean.rPC))]
        for name, arm in result.dose.arms.items()
    ]
    assert len(effects) == 2 and table(page, 'Effects by dose') == effects
    assert len(means) == 3 and table(page, 'AP by dose') == means
    assert '+' not in ''.join(means[0]) and '+' in ''.join(effects[-1])


def test_the_page_shows_the_costs(sweep, result, page):
    times = read_json(sweep / 'cost.json')
    rows = table(page, 'Cost of one image')
    assert [row[0] for row in rows] == list(times)
    for arm, parameters, _, memory, latency, ratio in rows:
        assert int(parameters.replace(',', '')) == result.costs[arm].parameters
        assert float(memory) == pytest.approx(result.costs[arm].memory / 1e6, abs=0.05)
        assert float(latency) == pytest.approx(1000 * times[arm]['latency'])
        assert float(ratio) == pytest.approx(times[arm]['latency_ratio'])


def test_times_of_the_result_are_shown_before_those_of_the_file(changed):
    folder, result = changed
    result.costs[ARM] = replace(result.costs[ARM], latency=0.123, latency_ratio=1.5)
    page = write_pages(result, folder)
    rows = {row[0]: row[-2:] for row in table(page, 'Cost of one image')}
    assert rows[ARM] == ['123', '1.50'] and rows['control'] == ['22', '1.10']
    assert '| 123 | 1.50 |' in (folder / 'report.md').read_text(encoding='utf-8')


def test_every_verdict_stands_on_the_page_and_in_the_markdown(sweep, result, page):
    text, markdown = page.words(), (sweep / 'report.md').read_text(encoding='utf-8')
    for arm, verdict in result.comparison.verdicts.items():
        assert verdict.sentence in text
        escaped = verdict.sentence.replace('[', r'\[').replace(']', r'\]').replace('<', r'\<')
        assert f'- **{arm}**: {escaped}' in markdown
    assert 'The capacity control, control,' in text


@pytest.mark.parametrize(
    'words, answer',
    [
        (
            ('helps in clutter', 'hurts'),
            'Helps in clutter, and more there than elsewhere: cbam-backbone.',
        ),
        (
            ('inconclusive', 'hurts'),
            'Cannot be told yet, with so few runs or images: cbam-backbone.',
        ),
        (('hurts', 'inconclusive'), 'Makes the detector worse: cbam-backbone.'),
        (
            ('equivalent', 'hurts'),
            'Makes no difference: cbam-backbone. If there is an effect, it is below 0.5 AP.',
        ),
        (('something new', 'hurts'), 'cbam-backbone: something new.'),
    ],
)
def test_the_answer_is_about_the_arms_and_not_about_the_control(changed, words, answer):
    folder, result = changed
    verdicts = result.comparison.verdicts
    for arm, word in zip((ARM, 'control'), words):
        verdicts[arm] = replace(verdicts[arm], word=word)
    assert answer in write_pages(result, folder).words()
    assert f'adds parameters but no attention: {words[1]}.' in write_pages(result, folder).words()
    assert answer in (folder / 'report.md').read_text(encoding='utf-8')


def test_the_page_says_how_to_repeat_it(sweep, result, page, tmp_path):
    text = page.words()
    for value in ('torch 2.14.1, mmdet 3.3.0', 'cores: 2', 'abc1234', 'cover, cut at 0.1, 0.3'):
        assert value in text
    assert 'trained: what a detector that is trained with the arm is worth' in text
    assert 'AP overall, AP crowded' in text
    for number, arm in enumerate(('control', ARM), 1):
        (row,) = table(page, f'Inserted modules of {arm}')
        assert row[:4] == [f'backbone.layer2.{number}.spatialattn', 'CBAM', 'after_conv2', '64']
        assert result.audits[arm].warnings[0] in page.text
        assert result.differences[arm] in page.text
    (plan,) = [text for text in page.text if text.startswith('{\n  "name"')]
    assert plan in (sweep / 'report.md').read_text(encoding='utf-8')
    for arm in result.plan.arms.values():
        (tmp_path / arm.config).parent.mkdir(exist_ok=True)
        (tmp_path / arm.config).touch()
    values = {k: v for k, v in json.loads(plan).items() if k != 'group_by'}
    assert list(values)[-1] == 'arms'
    write_json(tmp_path / 'plan.json', values)
    loaded = load_plan(tmp_path / 'plan.json')
    assert [run.name for run in loaded.runs][:2] == ['narrow/seed_0', 'control/seed_0']
    assert loaded.overrides == result.plan.overrides and loaded.control == 'control'


def test_the_page_loads_nothing_and_is_small(sweep, page):
    check_that_it_loads_nothing(page)
    assert (sweep / 'report.html').stat().st_size < 6.5e6


def test_the_page_is_readable_without_eyes(page):
    check_that_it_is_readable_without_eyes(page)
    assert all('aria-label' in a for a in page.all('div') if a.get('role') in ('img', 'region'))


def make_nasty(folder):
    """Return the result with names that break out of HTML where they can; rename the files too."""
    path = folder / 'scenes/annotations/val.json'
    truth = read_json(path)
    for category in truth['categories']:
        category['name'] += NASTY
    for image in truth['images']:
        name = image['file_name']
        image['file_name'] = f'<b>"&{name}'
        (folder / 'scenes/images' / name).rename(folder / 'scenes/images' / image['file_name'])
    write_json(path, truth)
    text = (folder / 'verdict.json').read_text(encoding='utf-8')
    for name in ('narrow', ARM, 'crowded', 'test', 'abc1234', 'digits', 'after_conv2'):
        text = text.replace(f'"{name}"', json.dumps(f'{name}{NASTY}'))
    data = json.loads(text)
    data['comparison']['notes'].append(NASTY)
    data['comparison']['test_set']['file'] = '/folder' * 20
    data['comparison']['verdicts']['control']['sentence'] = NASTY
    data['dose']['field'] = data['plan']['dose'] = f'level{NASTY}'
    data['differences'] = {arm: text and text + NASTY for arm, text in data['differences'].items()}
    for audit in data['audits'].values():
        audit['warnings'] = [warning + NASTY for warning in audit['warnings']]
    costs = read_json(folder / 'cost.json')
    nasty = {'narrow': f'narrow{NASTY}', ARM: f'{ARM}{NASTY}'}
    write_json(folder / 'cost.json', {nasty.get(arm, arm): cost for arm, cost in costs.items()})
    return SweepResult.from_dict(data)


def test_names_from_the_data_are_escaped(changed):
    folder, result = changed
    notes = (*result.comparison.notes, 'a note')
    noted = replace(result, comparison=replace(result.comparison, notes=notes))
    plain = [tag for tag, _ in write_pages(noted, folder).elements]
    nasty = write_pages(make_nasty(folder), folder)
    assert [tag for tag, _ in nasty.elements] == plain
    for name in ('', 'narrow', ARM, 'crowded', 'level', 'abc1234'):
        assert any(f'{name}{NASTY}' in text for text in nasty.text), name
    assert any('<b>"&val_' in text for text in nasty.text)
    assert any(
        f'after_conv2{NASTY}' in cell for cell in table(nasty, 'Inserted modules of control')[0]
    )
    markdown = (folder / 'report.md').read_text(encoding='utf-8').partition('```')[0]
    tags = [tag for tag, _ in Reader(markdown.replace(r'\<', '&lt;')).elements]
    assert tags == ['details', 'summary']


def without_dose(result, folder):
    return replace(result, dose=None, plan=replace(result.plan, dose=None))


def without_images(result, folder):
    shutil.rmtree(folder / 'scenes/images')
    return result


def without_detections(result, folder):
    (folder / f'{ARM}/seed_1/detections.bbox.json').unlink()
    return result


def without_times(result, folder):
    (folder / 'cost.json').unlink()
    return result


def without_the_times_of_an_arm(result, folder):
    times = read_json(folder / 'cost.json')
    write_json(folder / 'cost.json', {**times, ARM: {'latency': 'fast'}})
    return result


def without_costs(result, folder):
    (folder / 'cost.json').unlink()
    return replace(result, costs={})


def without_control(result, folder):
    return replace(result, plan=replace(result.plan, control=None))


def with_failures(result, folder):
    arms = {**result.plan.arms, 'wide': result.plan.arms[ARM]}
    runs = (*result.runs, Run('wide', 0, 'failed'), Run('wide', 1, 'waiting'))
    plan = replace(result.plan, arms=arms)
    return replace(result, plan=plan, runs=runs, audits={}, differences={})


def with_refusals(result, folder):
    refused = Refused("'crowded': 3 objects; a conclusion needs 30")
    comparison = result.comparison
    for arm in comparison.effects:
        for effects in (comparison.effects[arm], comparison.error_effects[arm]):
            effects['crowded'] = dict.fromkeys(effects['crowded'], refused)
        for kind, gains in comparison.clutter_gain[arm].items():
            comparison.clutter_gain[arm][kind] = dict.fromkeys(gains, refused)
    for arm in comparison.arms.values():
        for entry in (arm, *arm.runs):
            entry.metrics['crowded'].update(AP=refused, MR=refused)

    def without_first(curve):
        return replace(curve, AP=(refused, *curve.AP[1:]), mPC=refused, rPC=refused)

    return with_curves(result, without_first)


def with_curves(result, change):
    """Return a result whose dose-response curves are changed."""
    dose = result.dose
    arms = {name: replace(arm, mean=change(arm.mean)) for name, arm in dose.arms.items()}
    effects = {name: change(effect) for name, effect in dose.effects.items()}
    return replace(result, dose=replace(dose, arms=arms, effects=effects))


def without_numbers_by_dose(result, folder):
    refused = Refused('undefined at every level')

    def without_numbers(curve):
        return replace(curve, AP=(refused,) * len(curve.AP), mPC=refused, rPC=refused)

    return with_curves(result, without_numbers)


def with_nothing_detectable(result, folder):
    for scopes in result.comparison.effects.values():
        scopes['overall']['AP'] = replace(scopes['overall']['AP'], detectable=math.inf, df=math.inf)
    return result


def with_another_machine(result, folder):
    first, *others = result.runs
    moved = replace(first, environment=replace(first.environment, commit=None))
    return replace(result, runs=(moved, *others))


def with_two_halves(result, folder):
    half = len(result.runs) // 2
    moved = [
        replace(run, environment=replace(run.environment, commit='fff9999'))
        for run in result.runs[:half]
    ]
    return replace(result, runs=(*moved, *result.runs[half:]))


def with_a_refused_audit(result, folder):
    return replace(result, audits={**result.audits, ARM: Refused('it was not collected')})


def without_insertions(result, folder):
    return replace(result, audits=dict.fromkeys(result.audits, Audit(())))


@pytest.mark.parametrize(
    'change, sentences',
    [
        (with_another_machine, ['Commit (1 of 6 runs) unknown']),
        (with_two_halves, ['Commit (3 of 6 runs) fff9999', 'Commit (3 of 6 runs) abc1234']),
        (without_dose, ['Not measured: the plan names no dose.']),
        (without_images, ['No pictures: 60 of the 60 images']),
        (without_detections, ['No pictures: cannot read']),
        (without_times, ['No latency: there is no cost.json.']),
        (without_the_times_of_an_arm, ["No latency: cost.json has no latency of 'cbam-backbone'."]),
        (without_costs, ['Cost against effect The costs were not measured.']),
        (without_control, ['Capacity control none']),
        (
            with_failures,
            [
                'Run wide/seed_0 failed; its log is wide/seed_0/log.txt',
                'Run wide/seed_1 is not finished.',
            ],
        ),
        (with_refusals, ["No number (-): 'crowded': 3 objects; a conclusion needs 30"]),
        (
            without_numbers_by_dose,
            ['There is no number to draw', 'No number (-): undefined at every level'],
        ),
        (with_nothing_detectable, ['Effects on AP in points']),
        (with_a_refused_audit, ['Not shown: it was not collected.']),
        (without_insertions, ['No module is inserted.']),
    ],
)
def test_what_is_missing_is_said(changed, change, sentences):
    folder, result = changed
    page = write_pages(change(result, folder), folder)
    for sentence in sentences:
        assert sentence in page.words()
    assert not any(word in page.words() for word in ('nan', 'None', 'inf ', 'Refused'))
    check_that_it_is_readable_without_eyes(page)


def test_a_refused_effect_shows_its_reason_in_the_table_and_in_the_markdown(changed):
    folder, result = changed
    page = write_pages(with_refusals(result, folder), folder)
    rows = {(row[0], row[1]): row[2:] for row in table(page, 'Effects on AP')}
    reason = "'crowded': 3 objects; a conclusion needs 30"
    assert rows[ARM, 'crowded'] == [reason, '-', '-', '-', '-']
    assert rows[ARM, 'clean'][0].startswith('+')
    markdown = (folder / 'report.md').read_text(encoding='utf-8')
    assert f'- No number (-): {reason}' in markdown and '| - | - | - |' in markdown


def test_a_result_of_version_1_makes_a_page(tmp_path):
    data = json.loads(VERSION_1.read_text(encoding='utf-8'))
    data['failed'] = [{'run': 'control/seed_1', 'log': 'control/seed_1/log.txt'}]
    page = write_pages(SweepResult.from_dict(data), tmp_path)
    stored = data['comparison']
    for arm, verdict in stored['verdicts'].items():
        assert verdict['sentence'] in page.words()
        effect = stored['effects'][arm]['overall']['AP']
        row = next(row for row in table(page, 'Effects on AP') if row[:2] == [arm, 'overall'])
        assert row[2] == f'{100 * effect["estimate"]:+.1f}'
    assert "'touching': 9 groups; a conclusion needs 10" in page.words()
    assert 'Run control/seed_1 failed' in page.words()
    assert 'No latency: there is no cost.json.' in page.words()
    assert 'Not shown: version 1 kept audits as text' in page.words()
    check_that_it_is_readable_without_eyes(page)


def test_one_run_per_arm_makes_a_page(tmp_path):
    page = write_pages(write_sweep(tmp_path, seeds=(0,)), tmp_path)
    assert 'one run per arm: the intervals hold the choice of the images' in page.words()
    assert len(table(page, 'AP of every run')) == 3


def test_writing_changes_neither_the_result_nor_the_stored_one(changed):
    folder, result = changed
    before, stored = copy.deepcopy(result), (folder / 'verdict.json').read_bytes()
    write_pages(result, folder)
    assert result == before and (folder / 'verdict.json').read_bytes() == stored


def test_what_is_no_result_of_a_sweep_makes_no_page(tmp_path):
    path = tmp_path / 'verdict.json'
    with pytest.raises(UserError, match='cannot read .*verdict.json'):
        write_sweep_page(SweepResult.read(path), tmp_path)
    write_json(path, {'format': 'mmdet_spatialattn comparison', 'version': 1})
    with pytest.raises(UserError, match="has format 'mmdet_spatialattn comparison'"):
        write_sweep_page(SweepResult.read(path), tmp_path)
    write_json(path, {'format': 'mmdet_spatialattn verdict', 'version': 99})
    with pytest.raises(UserError, match='has version 99 and this release reads up to'):
        write_sweep_markdown(SweepResult.read(path), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['verdict.json']


def test_the_gallery_counts_what_is_drawn(sweep):
    html = (sweep / 'report.html').read_text(encoding='utf-8')
    sprites = dict(part.split('"', 1) for part in html.split('<g id="')[1:])
    pairs = [part.partition('</figure>')[0] for part in html.split('<figure class="pair"')[1:]]
    assert 12 <= len(pairs) <= 16  # at most eight for each of two arms
    for pair in pairs:
        image = re.search('#image-([0-9]+)', pair)[1]
        n_objects = sprites[f'objects-{image}'].count('<title>object')
        counts = re.findall('<p class="soft">[^<]*: ([0-9]+) missed, ([0-9]+) false</p>', pair)
        for layer, (missed, false) in zip((sprites[f'baseline-{image}'], pair), counts):
            assert int(missed) == layer.count('<title>missed')
            assert int(false) == layer.count('<title>false positive')
            assert n_objects == int(missed) + layer.count('<title>true positive')
        errors = json.loads(html_module.unescape(re.search("data-errors='(.*?)'", pair)[1]))
        assert {kind for *_, kind in errors} <= set(ERROR_TYPES) and errors
        drawn = set(re.findall(r'false positive \((\w+)\)', pair + sprites[f'baseline-{image}']))
        assert {kind for *_, kind in errors} - {'missed'} == drawn


def test_the_levels_are_the_metrics_with_intervals(result, page):
    for arm in result.comparison.arms.values():
        for scope, level in arm.intervals.items():
            assert level.estimate == pytest.approx(arm.metrics[scope]['AP'])
            assert level.low < level.estimate < level.high
    assert 'figure-levels' in {a.get('id') for a in page.all('div')}


def test_a_result_without_levels_has_effects_only(changed):
    folder, result = changed
    arms = {name: replace(arm, intervals={}) for name, arm in result.comparison.arms.items()}
    page = write_pages(replace(result, comparison=replace(result.comparison, arms=arms)), folder)
    figures = {a.get('id') for a in page.all('div')}
    assert 'figure-effects' in figures and 'figure-levels' not in figures


def test_training_curves_come_from_the_logs(changed):
    folder, result = changed
    assert 'There are no logs of the trainings' in write_pages(result, folder).words()
    log = folder / f'{ARM}/seed_0/20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 0.5, "step": 10}\n', encoding='utf-8')
    before = (folder / 'verdict.json').read_bytes()
    page = write_pages(result, folder)
    assert 'figure-training' in {a.get('id') for a in page.all('div')}
    assert (folder / 'verdict.json').read_bytes() == before


@pytest.mark.browser
@pytest.mark.parametrize('width', (1280, 390))
def test_a_browser_draws_every_plot_within_the_window(sweep, look, width):
    page = look(sweep / 'report.html', width)
    assert page.locator('.figure:visible').count() >= 9
    assert not overflows(page)
    for summary in page.locator('summary:visible').all():
        summary.click()
    assert page.locator('table:visible').count() >= 9 and not overflows(page)
    for plot in page.locator('.figure:visible').all():
        inside = plot.locator('.main-svg').first.bounding_box()
        assert inside['x'] >= 0 and inside['x'] + inside['width'] <= width
        assert plot.locator('.point, .bars path').count() > 0


def shown(page, part='.of-arm:visible'):
    """Return the panels of the first pair of images of a gallery that can be seen."""
    panels = page.locator(part).locator('.pair').first.locator('.panel').all()
    return [panel.get_attribute('class').split()[1] for panel in panels if panel.is_visible()]


@pytest.mark.browser
def test_the_gallery_switches_by_mouse(sweep, look):
    page = look(sweep / 'report.html')
    gallery = page.locator('.of-arm:visible')
    objects = "getComputedStyle(document.querySelector('.of-arm:not([hidden]) .objects')).display"
    assert shown(page) == ['baseline', 'arm'] and page.evaluate(objects) == 'none'
    gallery.get_by_role('radio', name='narrow').click()
    assert shown(page) == ['baseline']
    gallery.get_by_role('radio', name=ARM).click()
    assert shown(page) == ['arm']
    gallery.get_by_role('checkbox', name='all objects').click()
    assert page.evaluate(objects) != 'none'


@pytest.mark.browser
def test_the_gallery_switches_by_keyboard(sweep, look):
    page = look(sweep / 'report.html', 390)
    page.get_by_label('Arm', exact=True).focus()
    for _ in range(30):
        page.keyboard.press('Tab')
        if page.evaluate('document.activeElement.value') == 'both':
            break
    page.keyboard.press('ArrowRight')
    assert shown(page) == ['baseline']


@pytest.mark.browser
def test_an_image_is_enlarged_without_touching_the_gallery(sweep, look):
    page = look(sweep / 'report.html')
    small = page.locator('.of-arm:visible .panel svg').first
    width = small.bounding_box()['width']
    small.click()
    dialog = page.locator('dialog')
    assert dialog.locator('svg').first.bounding_box()['width'] > width
    dialog.get_by_role('radio', name='narrow').click()
    assert shown(page, 'dialog') == ['baseline']
    page.keyboard.press('Escape')
    assert not dialog.is_visible() and shown(page) == ['baseline', 'arm']


@pytest.mark.browser
def test_a_number_leads_to_images_with_errors_of_its_stratum(sweep, look):
    page = look(sweep / 'report.html')
    page.locator('[data-pick=control][data-stratum=crowded]').click()
    gallery = page.locator('.of-arm:visible')
    assert gallery.get_attribute('data-arm') == 'control'
    assert gallery.locator('[data-filter=stratum]').input_value() == 'crowded'
    gallery.locator('[data-filter=error]').select_option('missed')
    pairs = gallery.locator('.pair').all()
    for pair in pairs:
        errors = json.loads(pair.get_attribute('data-errors'))
        wanted = any((stratum, kind) == ('crowded', 'missed') for stratum, _, kind in errors)
        assert pair.is_visible() == wanted
    n_visible = sum(pair.is_visible() for pair in pairs)
    assert gallery.locator('output').text_content() == f'{n_visible} of {len(pairs)} images'


@pytest.mark.browser
def test_a_table_is_sorted_by_a_click(sweep, look):
    page = look(sweep / 'report.html')
    page.get_by_text('Numbers: Effects on AP in points').click()
    effects = page.locator('.scroll table').first
    effects.get_by_role('button', name='effect', exact=True).click()
    cells = [
        float(text) for text in effects.locator('tbody tr td:nth-child(3)').all_text_contents()
    ]
    assert len(cells) == 8 and cells == sorted(cells, reverse=True)
    effects.get_by_role('button', name='effect', exact=True).click()
    assert effects.locator('[aria-sort=ascending]').count() == 1


@pytest.mark.browser
def test_figures_follow_the_colour_scheme(sweep, look):
    from playwright.sync_api import expect

    fill = "getComputedStyle(document.querySelector('#figure-effects .xtitle')).fill"
    paper = 'getComputedStyle(document.body).backgroundColor'
    light, dark = (look(sweep / 'report.html', scheme=scheme) for scheme in ('light', 'dark'))
    assert light.evaluate(fill) == 'rgb(31, 41, 51)' and dark.evaluate(fill) == 'rgb(228, 233, 238)'
    assert light.evaluate(paper) == 'rgb(255, 255, 255)'
    assert dark.evaluate(paper) == 'rgb(20, 25, 31)'
    dark.emulate_media(color_scheme='light')
    expect(dark.locator('#figure-effects .xtitle')).to_have_css('fill', 'rgb(31, 41, 51)')


@pytest.mark.browser
def test_a_figure_is_saved_as_svg(sweep, look):
    page = look(sweep / 'report.html')
    with page.expect_download() as download:
        page.locator('.save').first.click()
    assert download.value.suggested_filename == 'figure-effects.svg'
    assert download.value.path().read_text(encoding='utf-8').startswith('<svg')


@pytest.mark.browser
def test_an_arm_is_chosen_by_list_and_by_link(sweep, look):
    page = look(sweep / 'report.html')
    curve = "document.getElementById('figure-dose-arms').data.filter(t => t.meta.part === 'line')"
    colored = f"{curve}.filter(t => t.line.color === '#c2410c').map(t => t.meta.arm)"
    arms = page.locator('.of-arm:visible')
    assert arms.count() == 1 and arms.get_attribute('data-arm') == ARM
    page.get_by_label('Arm', exact=True).select_option('control')
    assert arms.count() == 1 and arms.get_attribute('data-arm') == 'control'
    assert page.evaluate(colored) == ['control']
    page.locator(f'[data-pick="{ARM}"]').first.click()
    assert arms.get_attribute('data-arm') == ARM and page.evaluate(colored) == [ARM]
    assert page.get_by_label('Arm', exact=True).input_value() == ARM


@pytest.mark.browser
def test_the_cost_on_the_axis_is_chosen(sweep, look):
    page = look(sweep / 'report.html')
    places = "document.getElementById('figure-cost').data.map(trace => trace.x[0])"
    title = page.locator('#figure-cost .xtitle')
    assert page.evaluate(places) == pytest.approx([1, 1.1, 1.2])
    assert title.text_content() == 'latency, times the baseline'
    page.get_by_role('radio', name='parameters').click()
    assert page.evaluate(places) == pytest.approx([1, 1.004321, 1.008642])
    assert title.text_content() == 'parameters, times the baseline'
    labels = page.locator('#figure-cost .annotation-text')
    assert sorted(labels.all_text_contents()) == sorted(['narrow', 'control', ARM])
    boxes = [label.bounding_box() for label in labels.all()]
    boxes.sort(key=lambda box: box['y'])
    assert all(
        a['y'] + a['height'] <= b['y'] + 1
        or a['x'] + a['width'] <= b['x'] + 1
        or b['x'] + b['width'] <= a['x'] + 1
        for a, b in zip(boxes, boxes[1:])
    )


@pytest.mark.browser
def test_a_browser_survives_nasty_names(changed, look):
    folder, _ = changed
    write_pages(make_nasty(folder), folder)
    page = look(folder / 'report.html', 390)
    assert not overflows(page)
    page.get_by_label('Arm', exact=True).select_option('control')
    assert page.locator('.of-arm:visible').get_attribute('data-arm') == 'control'
    page.get_by_label('Arm', exact=True).select_option(f'{ARM}{NASTY}')
    assert page.locator('.of-arm:visible').get_attribute('data-arm') == f'{ARM}{NASTY}'
    page.locator('.of-arm:visible').get_by_role('radio').last.click()
    assert shown(page) == ['arm']
