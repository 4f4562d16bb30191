"""A browser to look at pages with."""

import shutil

import pytest

SLOW = 200_000
"""Milliseconds to wait for anything: many tests at once on few cores make a browser slow."""


@pytest.fixture(scope='session')
def chromium():
    """Headless Chromium."""
    path = shutil.which('chromium') or shutil.which('google-chrome')
    if path is None:
        pytest.skip('needs Chromium')
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        arguments = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
        browser = play.chromium.launch(executable_path=path, args=arguments, timeout=SLOW)
        yield browser
        browser.close()


@pytest.fixture
def look(chromium):
    """Open a page at a width and draw the plots in sight of it; it must complain of nothing."""
    pages, complaints = [], []

    def open_page(path, width=1280, scheme='light'):
        page = chromium.new_page(viewport={'width': width, 'height': 900}, color_scheme=scheme)
        pages.append(page)
        page.set_default_timeout(SLOW)
        page.on('console', lambda message: complaints.append(message.text))
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.on('request', lambda r: r.url.startswith('http') and complaints.append(r.url))
        page.goto(path.as_uri())
        shown = "[...document.querySelectorAll('.figure')].filter(figure => figure.offsetParent)"
        while not page.evaluate(f"{shown}.every(figure => figure.querySelector('.main-svg'))"):
            page.wait_for_timeout(20)  # pages refuse the scripts that wait_for_function evaluates
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
