"""The page of detectors with masks: their verdicts, their boxes beside them, and drawn masks."""

import re

import numpy as np
import pytest

from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.report import write_sweep_markdown, write_sweep_page
from mmdet_spatialattn.report.pictures import mask_outline
from mmdet_spatialattn.report.scored_run import score_run
from mmdet_spatialattn.report.sweep_page import PAGE_OF_BOXES
from mmdet_spatialattn.results import SweepResult
from mmdet_spatialattn.results.sweep import shape_table
from tests.report.pages import Reader, check_that_it_is_readable_without_eyes, overflows
from tests.report.sweeps import write_mask_sweep

ARM = 'cbam-backbone'


@pytest.fixture(scope='module')
def sweep(tmp_path_factory):
    """The folder of a sweep, with a page by masks and one by boxes."""
    folder = tmp_path_factory.mktemp('sweep')
    result = write_mask_sweep(folder)
    write_sweep_page(result, folder)
    write_sweep_page(result.of_boxes, folder, path=folder / PAGE_OF_BOXES)
    write_sweep_markdown(result, folder)
    return folder


@pytest.fixture(scope='module')
def result(sweep):
    return SweepResult.read(sweep / 'verdict.json')


@pytest.fixture(scope='module')
def html(sweep):
    return (sweep / 'report.html').read_text(encoding='utf-8')


def test_both_pages_say_what_their_numbers_are_of(sweep, result, html):
    masks, boxes = Reader(html), Reader((sweep / PAGE_OF_BOXES).read_text(encoding='utf-8'))
    assert result.comparison.shape == 'masks' and result.boxes.shape == 'boxes'
    assert 'mask AP +' in result.comparison.verdicts[ARM].sentence
    assert 'mask AP' not in result.boxes.verdicts[ARM].sentence
    for page, comparison, ap in (
        (masks, result.comparison, 'mask AP'),
        (boxes, result.boxes, 'AP'),
    ):
        assert comparison.verdicts[ARM].sentence in page.words()
        assert f'narrow , compared by {comparison.shape} ·' in page.words()
        assert f'IoU of {comparison.shape}, at most 100' in page.words()
        for caption in (f'Effects on {ap} in', f'{ap} in points, mean', f'{ap} by class in'):
            assert any(title.startswith(caption) for title in page.tables)
        check_that_it_is_readable_without_eyes(page)
    assert 'Not measured by boxes; the page by masks has it.' in boxes.words()


def test_boxes_stand_beside_masks(sweep, result, html):
    page = Reader(html)
    table = shape_table((result.comparison, result.boxes))
    assert [row[0] for row in table.rows] == [f'{ARM}, masks', f'{ARM}, boxes']
    for row, comparison in zip(table.rows, (result.comparison, result.boxes)):
        assert row[1] == comparison.verdicts[ARM].word
        assert row[4] == str(comparison.effect(ARM))
    assert page.tables[table.caption][1:] == [list(row) for row in table.rows]
    assert {'href': PAGE_OF_BOXES} in page.all('a') and {'href': '#shapes'} in page.all('a')
    assert table.markdown() in (sweep / 'report.md').read_text(encoding='utf-8')
    assert str(result).endswith(table.text())
    boxes = (sweep / PAGE_OF_BOXES).read_text(encoding='utf-8')
    assert 'id="shapes"' not in boxes and 'href="#shapes"' not in boxes


def test_the_gallery_draws_the_masks(sweep, result, html):
    truth = load_annotations(sweep / 'scenes/annotations/val.json')
    file = sweep / result.comparison.arms[ARM].runs[0].source
    run = score_run(truth, load_detections(file, truth, iou_type='segm'))
    pairs = [part.partition('</figure>')[0] for part in html.split('<figure class="pair"')[1:]]
    assert pairs
    for pair in pairs:
        image = int(re.search('#image-([0-9]+)', pair)[1])
        found = np.flatnonzero(run.true_positives & (run.detections.image == image))
        drawn = re.findall('<path d="(.*?)".* class="mask solid"><title>true', pair)
        assert drawn == [mask_outline(run.detections.masks[i]) for i in found] != []
        assert (
            len(re.findall('class="mask dashed"', pair))
            == (run.false_positives & (run.detections.image == image)).sum()
        )
    assert '<rect' not in ''.join(pairs)
    boxes = (sweep / PAGE_OF_BOXES).read_text(encoding='utf-8')
    assert 'class="mask' not in boxes and '<rect' in boxes


@pytest.mark.browser
@pytest.mark.parametrize('width', (1280, 390))
def test_a_browser_shows_the_masks_within_the_window(sweep, look, width):
    page = look(sweep / 'report.html', width)
    assert not overflows(page)
    mask = page.locator('.of-arm:visible .panel.arm .mask.solid').first
    assert mask.evaluate('e => getComputedStyle(e).fillOpacity') == '0.3'
    assert mask.bounding_box()['width'] > 3
    page.get_by_role('link', name='The page by boxes').click()
    assert page.url.endswith(PAGE_OF_BOXES)
