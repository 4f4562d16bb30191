"""The clutter page: one file that loads nothing, escaped, told to those who do not see it."""

import pytest

from mmdet_spatialattn.clutter import clutter_measures
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.report.clutter_page import write_clutter_page
from tests.evaluation.samples import small_set, write_images
from tests.report.pages import (
    NASTY,
    Reader,
    check_that_it_is_readable_without_eyes,
    check_that_it_loads_nothing,
    overflows,
)


def write(tmp_path, data, images=True):
    folder = write_images(tmp_path / 'images') if images else None
    write_clutter_page(tmp_path / 'page.html', clutter_measures(data, folder), images_dir=folder)
    return (tmp_path / 'page.html').read_text(encoding='utf-8')


@pytest.fixture
def page(tmp_path):
    return Reader(write(tmp_path, small_set()))


def test_the_page_loads_nothing(page):
    check_that_it_loads_nothing(page)


def test_the_page_shows_numbers_figures_and_images(page):
    text = page.words()
    assert '2 objects in 2 images , and 1 crowd regions' in text.replace('images,', 'images ,')
    assert "stratum 'crowded' has 2 objects, fewer than 30" in text
    figures = {a['id'] for a in page.all('div') if a.get('id', '').startswith('figure-')}
    assert {'figure-cover', 'figure-n_objects', 'figure-strata'} <= figures
    assert 'figure-occlusion' not in figures
    assert len(page.all('image')) == 1  # the image without objects is at neither end
    assert len([a for a in page.all('rect') if 'stroke' in a]) == 2


def test_the_page_is_readable_without_eyes(page):
    check_that_it_is_readable_without_eyes(page)


def test_names_from_the_files_are_escaped(tmp_path):
    data = small_set()
    plain = write(tmp_path / 'plain', data)
    data['categories'][0]['name'] = NASTY
    for image, name in zip(data['images'], ('a', 'b')):
        image['file_name'] = f'{name}<b>"&.png'
    folder = tmp_path / 'nasty'
    write_images(folder)
    (folder / 'a.png').rename(folder / 'a<b>"&.png')
    (folder / 'sub/b.png').rename(folder / 'b<b>"&.png')
    write_clutter_page(tmp_path / 'nasty.html', clutter_measures(data, folder), images_dir=folder)
    nasty = (tmp_path / 'nasty.html').read_text(encoding='utf-8')
    assert [tag for tag, _ in Reader(nasty).elements] == [tag for tag, _ in Reader(plain).elements]
    assert any('a<b>"&.png' in text for text in Reader(nasty).text)
    assert any(NASTY in text for text in Reader(nasty).text)


def test_sets_without_images_or_objects_have_a_page(tmp_path):
    assert not Reader(write(tmp_path, small_set(), images=False)).all('image')
    empty = Reader(write(tmp_path, {**small_set(), 'annotations': []}))
    assert not empty.all('image') and empty.all('table')


def test_the_ends_are_the_most_and_the_least_covered_images(tmp_path):
    from mmdet_spatialattn.report.clutter_page import _extremes

    data = small_set()
    image, box = data['images'][0], data['annotations'][0]
    data['images'] = [{**image, 'id': k, 'file_name': 'a.png'} for k in range(20)]
    data['annotations'] = [
        {**box, 'id': 100 * k + n + 1, 'image_id': k, 'bbox': [n * (20 - k), 0, 20, 5]}
        for k in range(20)
        for n in range(2)
    ]
    extremes = _extremes(clutter_measures(data), write_images(tmp_path))
    covers = [[float(p.caption.rsplit(' ', 1)[1]) for p in pictures] for pictures in extremes]
    assert covers == [[0.95, 0.9, 0.85, 0.8, 0.75, 0.7], [0, 0.05, 0.1, 0.15, 0.2, 0.25]]


def test_without_plotly_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'plotly', None)
    with pytest.raises(UserError, match=r"needs plotly: pip install 'mmdet_spatialattn\[report\]'"):
        write(tmp_path, small_set())
    assert not (tmp_path / 'page.html').exists()


@pytest.mark.browser
@pytest.mark.parametrize('width', (1280, 390))
def test_a_browser_draws_every_figure_without_a_complaint(tmp_path, look, width):
    write(tmp_path, small_set())
    page = look(tmp_path / 'page.html', width)
    assert page.locator('.main-svg').count() >= page.locator('.figure').count() > 5
    assert not overflows(page)
