"""The clutter page: one file that loads nothing, escaped, told to those who do not see it."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import clutter_measures
from mmdet_spatialattn.report.clutter import write_clutter_page
from tests.evaluation.samples import small_set, write_images

NASTY = '</script><script>alert(1)</script><b>&amp;"\''


class Reader(HTMLParser):
    """Collects elements and text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]


def write(tmp_path, data, images=True):
    folder = write_images(tmp_path / 'images') if images else None
    write_clutter_page(tmp_path / 'page.html', clutter_measures(data, folder), folder)
    return (tmp_path / 'page.html').read_text(encoding='utf-8')


@pytest.fixture
def page(tmp_path):
    return Reader(write(tmp_path, small_set()))


def test_the_page_loads_nothing(page):
    links = [a[key] for _, a in page.elements for key in ('src', 'href', 'srcset') if key in a]
    assert links
    assert all(link.startswith(('data:image/jpeg;base64,', '#')) for link in links)
    assert not page.all('link', 'iframe', 'object', 'embed')
    policy = next(a['content'] for a in page.all('meta') if 'http-equiv' in a)
    assert "default-src 'none'" in policy and 'http' not in policy


def test_the_page_shows_numbers_figures_and_images(page):
    text = ' '.join(' '.join(page.text).split())
    assert '2 objects in 2 images , and 1 crowd regions' in text.replace('images,', 'images ,')
    assert "stratum 'crowded' has 2 objects, fewer than 30" in text
    figures = {a['id'] for a in page.all('div') if a.get('id', '').startswith('figure-')}
    assert {'figure-cover', 'figure-n_objects', 'figure-strata'} <= figures
    assert 'figure-occlusion' not in figures
    assert len(page.all('image')) == 1  # the image without objects is at neither end
    assert len([a for a in page.all('rect') if 'stroke' in a]) == 2


def test_the_page_is_readable_without_eyes(page):
    assert page.all('html')[0]['lang'] == 'en'
    assert any('width=device-width' in a.get('content', '') for a in page.all('meta'))
    assert all(a.get('aria-label') for a in page.all('svg'))
    assert len(page.all('table')) == len(page.all('caption')) > 0
    assert all('scope' in a for a in page.all('th'))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r'h\d', tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    ids = [a['id'] for _, a in page.elements if 'id' in a]
    assert len(ids) == len(set(ids)) and 'main' in ids


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
    write_clutter_page(tmp_path / 'nasty.html', clutter_measures(data, folder), folder)
    nasty = (tmp_path / 'nasty.html').read_text(encoding='utf-8')
    assert [tag for tag, _ in Reader(nasty).elements] == [tag for tag, _ in Reader(plain).elements]
    assert any('a<b>"&.png' in text for text in Reader(nasty).text)
    assert any(NASTY in text for text in Reader(nasty).text)


def test_sets_without_images_or_objects_have_a_page(tmp_path):
    assert not Reader(write(tmp_path, small_set(), images=False)).all('image')
    empty = Reader(write(tmp_path, {**small_set(), 'annotations': []}))
    assert not empty.all('image') and empty.all('table')


def test_the_ends_are_the_most_and_the_least_covered_images(tmp_path):
    from mmdet_spatialattn.report.clutter import _extremes

    data = small_set()
    image, box = data['images'][0], data['annotations'][0]
    data['images'] = [{**image, 'id': k, 'file_name': 'a.png'} for k in range(20)]
    data['annotations'] = [
        {**box, 'id': 100 * k + n + 1, 'image_id': k, 'bbox': [n * (20 - k), 0, 20, 5]}
        for k in range(20)
        for n in range(2)
    ]
    ends = _extremes(clutter_measures(data), write_images(tmp_path))
    covers = [[float(p.caption.rsplit(' ', 1)[1]) for p in ends[end]] for end in ('most', 'least')]
    assert covers == [[0.95, 0.9, 0.85, 0.8, 0.75, 0.7], [0, 0.05, 0.1, 0.15, 0.2, 0.25]]


def test_without_plotly_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'plotly', None)
    with pytest.raises(UserError, match=r"needs plotly: pip install 'mmdet_spatialattn\[report\]'"):
        write(tmp_path, small_set())
    assert not (tmp_path / 'page.html').exists()


@pytest.mark.browser
def test_a_browser_draws_every_figure_without_a_complaint(tmp_path):
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    if chromium is None:
        pytest.skip('needs Chromium')
    html = write(tmp_path, small_set())
    command = [chromium, '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run']
    command += ['--disable-background-networking', '--host-resolver-rules=MAP * ~NOTFOUND']
    command += ['--enable-logging=stderr', '--virtual-time-budget=10000', '--dump-dom']
    command += [f'--user-data-dir={tmp_path / "profile"}', (tmp_path / 'page.html').as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert 'CONSOLE' not in done.stderr
    assert done.stdout.count('class="main-svg"') >= html.count('id="figure-') > 5
