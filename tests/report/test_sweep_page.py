"""The page of a sweep: it shows what verdict.json says, all of it usable without a mouse."""

import json
import shutil

import numpy as np
import pytest

from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.plan import load_plan
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.report.gallery import most_different, score_run
from mmdet_spatialattn.report.sweep_page import write_verdict_markdown, write_verdict_page
from tests.report.pages import (
    NASTY,
    Reader,
    check_that_it_is_readable_without_eyes,
    check_that_it_loads_nothing,
    overflows,
)
from tests.report.sweeps import edit, write_sweep

ARM = 'cbam-backbone'


@pytest.fixture(scope='module')
def sweep(tmp_path_factory):
    """A sweep's folder with its page; tests that change it work on copies."""
    folder = write_sweep(tmp_path_factory.mktemp('sweep'))
    write_verdict_page(folder)
    write_verdict_markdown(folder)
    return folder


@pytest.fixture
def copy(sweep, tmp_path):
    return shutil.copytree(sweep, tmp_path / 'sweep')


@pytest.fixture(scope='module')
def page(sweep):
    return read_page(sweep)


def read_page(folder):
    return Reader((folder / 'report.html').read_text(encoding='utf-8'))


def rewritten(folder):
    assert write_verdict_page(folder) == folder / 'report.html'
    assert write_verdict_markdown(folder) == folder / 'report.md'
    return read_page(folder)


def table(page, caption):
    """Return the body of the table whose caption begins so, by its first cells that are text."""
    (rows,) = [rows for found, rows in page.tables.items() if found.startswith(caption)]
    return rows[1:]


def signed(entry):
    low, high = (f'{100 * entry[end]:+.1f}' for end in ('low', 'high'))
    return f'{100 * entry["estimate"]:+.1f}', f'[{low}, {high}]'


def joined(entry):
    return ' '.join(signed(entry))


def p_and_detectable(entry):
    p = '< 0.001' if entry['p_holm'] < 0.001 else f'{entry["p_holm"]:.3f}'
    return p, f'{100 * entry["detectable"]:.1f}'


def test_the_page_shows_the_numbers_of_the_verdict(sweep, page):
    verdict = read_json(sweep / 'verdict.json')
    comparison, dose = verdict['comparison'], verdict['dose']
    strata = [row['stratum'] for row in comparison['strata']]
    assert strata == ['clean', 'touching', 'crowded']
    effects, gains, errors = [], [], {}
    for arm, of in comparison['effects'].items():
        for place in ('overall', *strata):
            entry = (of['overall'] if place == 'overall' else of['strata'][place])['AP']
            effects.append([arm, place, *signed(entry), *p_and_detectable(entry)])
        for kind, name in (('plain', 'plain'), ('size_adjusted', 'size-adjusted')):
            entry = comparison['clutter_gain'][arm][kind]['AP']
            gains.append([arm, name, *signed(entry), *p_and_detectable(entry)])
        of = comparison['error_effects'][arm]
        places = [of['overall'], *(of['strata'][stratum] for stratum in strata)]
        errors[arm] = [[kind, *(joined(at[kind]) for at in places)] for kind in of['overall']]
    assert len(effects) == 8 and len(gains) == 4
    assert table(page, 'Effects on AP') == effects
    assert table(page, 'Clutter gains') == gains
    for arm, rows in errors.items():
        caption = f'Change of the AP50 that each type of error costs, in points: {arm}'
        assert table(page, caption) == rows
    means, runs = [], []
    for arm, of in comparison['arms'].items():
        for row, result in ((means, of), *((runs, run) for run in of['runs'])):
            places = [result['overall'], *result['strata'].values()]
            name = [arm, '2'] if row is means else [result['source'].rsplit('/', 1)[0]]
            row.append([*name, *(f'{100 * at["AP"]:.1f}' for at in places)])
    assert table(page, 'AP in points, mean') == means
    assert table(page, 'AP in points of every run') == runs
    expected = [
        [arm, *(joined(entry) for entry in (*of['AP'], of['mPC'], of['rPC']))]
        for arm, of in dose['effects'].items()
    ]
    assert table(page, 'Effects by dose') == expected
    expected = [
        [arm, *(joined(e).replace('+', '') for e in (*of['AP'], of['mPC'], of['rPC']))]
        for arm, of in dose['arms'].items()
    ]
    assert table(page, 'AP by dose') == expected


def test_the_page_shows_the_costs(sweep, page):
    verdict, times = read_json(sweep / 'verdict.json'), read_json(sweep / 'cost.json')
    rows = table(page, 'Cost of one image')
    assert [row[0] for row in rows] == list(times)
    for arm, parameters, _, memory, latency, ratio in rows:
        of = verdict['costs'][arm]
        assert int(parameters.replace(',', '')) == of['parameters']
        assert float(memory) == pytest.approx(of['memory'] / 1e6, abs=0.05)
        assert float(latency) == pytest.approx(1000 * times[arm]['latency'])
        assert float(ratio) == pytest.approx(times[arm]['latency_ratio'])


def test_every_verdict_stands_on_the_page_and_in_the_markdown(sweep, page):
    text, markdown = page.words(), (sweep / 'report.md').read_text(encoding='utf-8')
    for arm, verdict in read_json(sweep / 'verdict.json')['comparison']['verdicts'].items():
        assert verdict['sentence'] in text
        said = verdict['sentence'].replace('[', r'\[').replace(']', r'\]').replace('<', r'\<')
        assert f'- **{arm}**: {said}' in markdown
    assert 'The capacity control, control,' in text


@pytest.mark.parametrize(
    'words, answer',
    [
        (('helps in clutter', 'hurts'), 'Yes, in 1 arm of 1: cbam-backbone.'),
        (('no effect detected', 'hurts'), 'No effect was detected: cbam-backbone.'),
        (('hurts', 'no effect detected'), 'No arm of 1 helps more in clutter than elsewhere.'),
    ],
)
def test_the_answer_is_that_of_the_arms_and_not_of_the_control(copy, words, answer):
    comparison = read_json(copy / 'verdict.json')['comparison']
    for arm, word in zip((ARM, 'control'), words):
        comparison['verdicts'][arm]['word'] = word
    edit(copy, comparison=comparison)
    assert answer in rewritten(copy).words()
    assert answer.replace('cbam-backbone', 'cbam-backbone') in (copy / 'report.md').read_text()


def test_the_page_says_how_to_repeat_it(sweep, page, tmp_path):
    text, verdict = page.words(), read_json(sweep / 'verdict.json')
    for value in ('torch 2.14.1, mmdet 3.3.0', 'cores: 2', 'abc1234', 'cover, cut at 0.1, 0.3'):
        assert value in text
    for arm in (ARM, 'control'):
        assert verdict['audits'][arm] in page.text and verdict['differences'][arm] in page.text
    (plan,) = [text for text in page.text if text.startswith('{\n  "name"')]
    assert plan in (sweep / 'report.md').read_text(encoding='utf-8')
    for arm in verdict['plan']['arms'].values():
        (tmp_path / arm['config']).parent.mkdir(exist_ok=True)
        (tmp_path / arm['config']).touch()
    values = {k: v for k, v in json.loads(plan).items() if k != 'group_by'}
    write_json(tmp_path / 'plan.json', values)
    read = load_plan(tmp_path / 'plan.json')
    assert [run.name for run in read.runs][:2] == ['narrow/seed_0', 'control/seed_0']
    assert read.overrides == verdict['plan']['overrides'] and read.control == 'control'


def test_the_page_loads_nothing_and_is_small(sweep, page):
    check_that_it_loads_nothing(page)
    assert (sweep / 'report.html').stat().st_size < 6.5e6


def test_the_page_is_readable_without_eyes(page):
    check_that_it_is_readable_without_eyes(page)
    assert all('aria-label' in a for a in page.all('div') if a.get('role') in ('img', 'region'))


def make_nasty(folder):
    """Give every name that comes from data one that breaks out of HTML where it can."""
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
    for name in ('narrow', ARM, 'crowded', 'test', 'abc1234', 'digits'):
        text = text.replace(f'"{name}"', json.dumps(f'{name}{NASTY}'))
    verdict = json.loads(text)
    verdict['comparison']['notes'].append(NASTY)
    verdict['comparison']['annotations']['file'] = '/folder' * 20
    verdict['dose']['field'] = verdict['plan']['dose'] = f'level{NASTY}'
    for key in ('audits', 'differences'):
        verdict[key] = {arm: of and of + NASTY for arm, of in verdict[key].items()}
    verdict['comparison']['verdicts']['control']['sentence'] = NASTY
    edit(folder, **verdict)
    costs = read_json(folder / 'cost.json')
    nasty = {'narrow': f'narrow{NASTY}', ARM: f'{ARM}{NASTY}'}
    write_json(folder / 'cost.json', {nasty.get(arm, arm): of for arm, of in costs.items()})


def test_names_from_the_data_are_escaped(copy):
    comparison = read_json(copy / 'verdict.json')['comparison']
    edit(copy, comparison={**comparison, 'notes': [*comparison['notes'], 'a note']})
    plain = [tag for tag, _ in rewritten(copy).elements]
    edit(copy, comparison=comparison)
    make_nasty(copy)
    nasty = rewritten(copy)
    assert [tag for tag, _ in nasty.elements] == plain
    for name in ('', 'narrow', ARM, 'crowded', 'level', 'abc1234'):
        assert any(f'{name}{NASTY}' in text for text in nasty.text), name
    assert any('<b>"&val_' in text for text in nasty.text)
    markdown = (copy / 'report.md').read_text(encoding='utf-8').partition('```')[0]
    tags = [tag for tag, _ in Reader(markdown.replace(r'\<', '&lt;')).elements]
    assert tags == ['details', 'summary']


def without_dose(verdict, folder):
    verdict['dose'] = verdict['plan']['dose'] = None


def without_images(verdict, folder):
    shutil.rmtree(folder / 'scenes/images')


def without_detections(verdict, folder):
    (folder / f'{ARM}/seed_1/detections.bbox.json').unlink()


def without_times(verdict, folder):
    (folder / 'cost.json').unlink()


def without_costs(verdict, folder):
    (folder / 'cost.json').unlink()
    verdict['costs'] = {}


def without_control(verdict, folder):
    verdict['plan']['control'] = None


def with_failures(verdict, folder):
    verdict['failed'] = [{'run': 'wide/seed_0', 'log': 'wide/seed_0/train.log'}]
    verdict['plan']['arms']['wide'] = verdict['plan']['arms'][ARM]
    verdict['audits'] = verdict['differences'] = {}


def with_refusals(verdict, folder):
    refusal = {'refused': "'crowded': 3 objects; a conclusion needs 30"}
    comparison = verdict['comparison']
    for arm in comparison['effects']:
        for what in ('effects', 'error_effects'):
            comparison[what][arm]['strata']['crowded'] = refusal
        comparison['clutter_gain'][arm] = {'plain': refusal, 'size_adjusted': refusal}
    for of in comparison['arms'].values():
        for result in (of, *of['runs']):
            result['strata']['crowded'].update(AP=None, MR=None)
    for of in (*verdict['dose']['arms'].values(), *verdict['dose']['effects'].values()):
        of['AP'][0] = of['mPC'] = of['rPC'] = None


def without_numbers_by_dose(verdict, folder):
    for of in (*verdict['dose']['arms'].values(), *verdict['dose']['effects'].values()):
        of.update(AP=[None] * 3, mPC=None, rPC=None)


def with_nothing_detectable(verdict, folder):
    for of in verdict['comparison']['effects'].values():
        of['overall']['AP'].update(detectable=None, df=None)


def with_another_machine(verdict, folder):
    here = verdict['environments'][0]
    moved = {**here, 'commit': None, 'runs': here['runs'][:1]}
    verdict['environments'] = [{**here, 'runs': here['runs'][1:]}, moved]


@pytest.mark.parametrize(
    'change, words',
    [
        (with_another_machine, 'Commit (1 of 6 runs) unknown'),
        (without_dose, 'Not measured: the plan names no dose.'),
        (without_images, 'No pictures: 60 of the 60 images'),
        (without_detections, 'No pictures: cannot read'),
        (without_times, 'No latency: there is no cost.json.'),
        (without_costs, 'Cost against effect Not measured.'),
        (without_control, 'Capacity control none'),
        (with_failures, 'Failed run: wide/seed_0 (log: wide/seed_0/train.log'),
        (with_refusals, "'crowded': 3 objects; a conclusion needs 30"),
        (without_numbers_by_dose, 'Nothing to draw: there are no numbers'),
        (with_nothing_detectable, 'Effects on AP in points'),
    ],
)
def test_what_is_missing_is_said(copy, change, words):
    verdict = read_json(copy / 'verdict.json')
    change(verdict, copy)
    edit(copy, **verdict)
    page = rewritten(copy)
    assert words in page.words()
    assert not any(word in page.words() for word in ('nan', 'None', 'inf '))
    check_that_it_is_readable_without_eyes(page)


def test_one_run_per_arm_makes_a_page(tmp_path):
    page = rewritten(write_sweep(tmp_path, seeds=(0,)))
    assert 'one run per arm: the intervals hold the choice of the images' in page.words()
    assert len(table(page, 'AP in points of every run')) == 3


def test_what_is_no_verdict_is_refused(tmp_path):
    with pytest.raises(UserError, match='cannot read .*verdict.json'):
        write_verdict_page(tmp_path)
    write_json(tmp_path / 'verdict.json', {'format': 'mmdet_spatialattn comparison'})
    with pytest.raises(UserError, match="its format is 'mmdet_spatialattn comparison'"):
        write_verdict_page(tmp_path)
    write_json(tmp_path / 'verdict.json', {'format': 'mmdet_spatialattn verdict', 'version': 2})
    with pytest.raises(UserError, match='is of version 2; this release reads up to 1'):
        write_verdict_markdown(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['verdict.json']


def test_a_run_is_scored_where_its_f1_is_highest():
    truth = load_annotations(
        {
            'images': [{'id': 1}, {'id': 2}],
            'categories': [{'id': 1, 'name': 'cell'}],
            'annotations': [
                {'id': k, 'image_id': image, 'category_id': 1, 'bbox': [x, 0, 10, 10]}
                for k, (image, x) in enumerate([(1, 0), (1, 50), (2, 0), (2, 50)], 1)
            ],
        }
    )
    found = [(1, 0, 0.9), (1, 200, 0.8), (2, 0, 0.7), (2, 50, 0.6), (2, 300, 0.5), (1, 400, 0.4)]
    run = score_run(
        truth,
        load_detections(
            [
                {'image_id': i, 'category_id': 1, 'bbox': [x, 0, 10, 10], 'score': score}
                for i, x, score in found
            ],
            truth,
        ),
    )
    # F1 = 2 * right / (right + wrong + 4): 2/5, 2/6, 4/7, 6/8, 6/9, 6/10
    assert run.threshold == 0.6
    assert run.right.tolist() == [True, False, True, True, False, False]
    assert run.wrong.tolist() == [False, True, False, False, False, False]
    assert run.missed.tolist() == [1, 0] and run.false.tolist() == [1, 0]
    nothing = score_run(truth, load_detections([], truth))
    assert nothing.missed.tolist() == [2, 2] and nothing.false.tolist() == [0, 0]


def test_images_are_chosen_at_both_ends_and_one_per_group():
    change = np.array([-5.0, -4.0, -3.0, 0.0, 1.0, 2.0])
    assert most_different(change, 4) == [0, 1, 5, 4]
    assert most_different(change, 4, 'aabcdd') == [0, 2, 5]
    assert most_different(change[:4], 4) == [0, 1, 2]
    assert most_different(np.zeros(3), 4) == []


def test_captions_of_the_gallery_count_what_is_drawn(sweep):
    html = (sweep / 'report.html').read_text(encoding='utf-8')
    figures = [part for part in html.split('<figure class="picture">')[1:] if 'missed' in part]
    assert 12 <= len(figures) <= 16  # at most eight for each of two arms
    for part in figures:
        layers = part.split('<g data-layer="')[1:]
        assert [layer.partition('"')[0] for layer in layers] == ['objects', 'baseline', 'arm']
        n_objects = layers[0].count('<title>object')
        caption = part.partition('<figcaption>')[2].partition('</figcaption>')[0]
        said = caption.partition('; ')[0].partition(': ')[2].split(', ')
        for layer, missed, wrong in zip(layers[1:], said[::2], said[1::2]):
            assert int(missed.split()[-2]) == n_objects - layer.count('<title>right')
            assert int(wrong.split()[0]) == layer.count('<title>wrong')


@pytest.mark.browser
@pytest.mark.parametrize('width', (1280, 390))
def test_a_browser_draws_every_plot_within_the_window(sweep, look, width):
    page = look(sweep / 'report.html', width)
    assert page.locator('.main-svg').count() >= page.locator('[id^=figure-]').count() >= 9
    assert not overflows(page)
    for summary in page.locator('summary:visible').all():
        summary.click()
    assert page.locator('table:visible').count() >= 9 and not overflows(page)
    for plot in page.locator('[id^=figure-]:visible').all():
        inside = plot.locator('.main-svg').first.bounding_box()
        assert inside['x'] >= 0 and inside['x'] + inside['width'] <= width
        assert plot.locator('.point, .bars path').count() > 0


def shown(page):
    """Return the layers of the first picture of the gallery that can be seen."""
    layers = page.locator('.of-arm:visible figure').first.locator('g[data-layer]').all()
    return [layer.get_attribute('data-layer') for layer in layers if layer.is_visible()]


@pytest.mark.browser
def test_the_gallery_switches_by_mouse(sweep, look):
    page = look(sweep / 'report.html')
    gallery = page.locator('.of-arm:visible')
    assert shown(page) == ['objects', 'arm']
    gallery.get_by_role('radio', name='narrow').click()
    assert shown(page) == ['objects', 'baseline']
    gallery.get_by_role('checkbox', name='objects').click()
    assert shown(page) == ['baseline']
    gallery.locator('figure svg').last.click()
    assert shown(page) == ['arm'] and gallery.get_by_role('radio', name=ARM).is_checked()


@pytest.mark.browser
def test_the_gallery_switches_by_keyboard(sweep, look):
    page = look(sweep / 'report.html', 390)
    page.get_by_label('Arm', exact=True).focus()
    reached = ''
    for _ in range(30):
        page.keyboard.press('Tab')
        reached = page.evaluate("document.activeElement.dataset.layer || ''")
        if reached == 'objects':
            break
    assert reached == 'objects'
    page.keyboard.press('Space')
    assert shown(page) == ['arm']
    page.keyboard.press('Tab')
    page.keyboard.press('ArrowUp')
    assert shown(page) == ['baseline']


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
    page.locator(f'[data-pick="{ARM}"]').click()
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


@pytest.mark.browser
def test_a_browser_survives_nasty_names(copy, look):
    make_nasty(copy)
    rewritten(copy)
    page = look(copy / 'report.html', 390)
    assert not overflows(page)
    page.get_by_label('Arm', exact=True).select_option('control')
    assert page.locator('.of-arm:visible').get_attribute('data-arm') == 'control'
    page.get_by_label('Arm', exact=True).select_option(f'{ARM}{NASTY}')
    assert page.locator('.of-arm:visible').get_attribute('data-arm') == f'{ARM}{NASTY}'
    page.locator('.of-arm:visible').get_by_role('radio').first.click()
    assert shown(page) == ['objects', 'baseline']
