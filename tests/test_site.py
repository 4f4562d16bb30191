"""The documentation builds without a warning, is complete, and fetches nothing."""

import inspect
import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

FETCHED = {'audio', 'embed', 'iframe', 'img', 'input', 'link', 'script', 'source', 'track', 'video'}
"""Elements with an address that a browser loads by itself."""


class Addresses(HTMLParser):
    """Collects what a browser fetches for a page, and the text of styles and scripts."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.feed(page.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        if tag in FETCHED:
            self.fetched += [value for key, value in attrs if key in ('href', 'src', 'srcset')]


@pytest.fixture(scope='module')
def site(repository, tmp_path_factory) -> Path:
    """The site as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', folder],
        cwd=repository,
        env={**os.environ, 'NO_MKDOCS_2_WARNING': '1', 'PYTHONPATH': str(repository)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0 and 'Documentation built' in done.stderr, done.stderr[-3000:]
    return folder


def test_no_page_fetches_anything_from_elsewhere(site):
    pages = list(site.rglob('*.html'))
    assert len(pages) > 20
    for page in pages:
        fetched = Addresses(page).fetched
        assert fetched and not [a for a in fetched if re.match(r'(https?:)?//', a)], page
    for style in site.rglob('*.css'):
        text = style.read_text(encoding='utf-8')
        assert not re.search(r'(@import|url\()\s*[\'"]?(https?:)?//', text), style


def test_the_commands_of_the_makefile_build_it(repository):
    lines = (repository / 'Makefile').read_text(encoding='utf-8')
    assert 'mkdocs build --strict' in lines.partition('\ndocs: install\n')[2].partition('\n\n')[0]


def test_every_public_class_and_function_is_in_the_api(site, repository):
    pages = {path.stem: path.read_text(encoding='utf-8') for path in (site / 'api').glob('*.html')}
    shown = set(re.findall(r'id="mmdet_spatialattn[^"]*\.(\w+)"', ''.join(pages.values())))
    for package in runpy.run_path(str(repository / 'tools/dev/public_surface.py'))['packages']():
        assert (package.__name__.partition('.')[2] or 'index') in pages
        values = {name: getattr(package, name) for name in package.__all__}
        public = {n for n, v in values.items() if inspect.isclass(v) or inspect.isroutine(v)}
        assert public and public - shown == set(), package


def test_docstrings_read_as_documentation(site):
    page = (site / 'api/attention.html').read_text(encoding='utf-8')
    assert page.count('<math') > 40
    for left_over in (':math:', ':class:', ':func:', '<p>Example:'):
        assert left_over not in page


@pytest.mark.browser
def test_a_reader_finds_a_word_without_a_server_or_a_network(site, look):
    page = look(site / 'index.html')
    page.keyboard.press('/')  # the shortcut of the search
    page.wait_for_selector('.md-search__input')
    page.keyboard.type('equivalent')
    page.wait_for_selector('.md-search-result__link')
    found = page.eval_on_selector_all('.md-search-result__link', 'links => links.map(l => l.href)')
    assert any('verdict.html' in link for link in found)


@pytest.mark.browser
def test_a_formula_is_drawn_on_a_phone(site, look):
    page = look(site / 'api/attention.html', width=390)
    box = page.locator('math').first.bounding_box()
    assert box['width'] > 20 and box['height'] > 8
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
