"""Tools for the tests of all pages: a reader of their HTML, and checks that every page passes."""

import re
from html.parser import HTMLParser

NASTY = '</script><script>alert(1)</script><b>&amp;"\''


class Reader(HTMLParser):
    """Collect elements, text, and the tables by caption: rows of cells, the header first.

    Text directly behind a script or a style is lost with it; the pages have none there.
    """

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.tables = [], [], {}
        self._rows, self._caption, self._inside = [], '', None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == 'table':
            self._rows, self._caption = [], ''
        elif tag == 'tr':
            self._rows.append([])
        elif tag in ('td', 'th'):
            self._rows[-1].append('')
        if tag in ('td', 'th', 'caption'):
            self._inside = tag

    def handle_endtag(self, tag):
        if tag == 'table':
            self.tables[self._caption] = self._rows
        if tag == self._inside:
            self._inside = None

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] in ('script', 'style'):
            return
        self.text.append(data)
        if self._inside == 'caption':
            self._caption += data
        elif self._inside:
            self._rows[-1][-1] += data

    def all(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]

    def words(self):
        return ' '.join(' '.join(self.text).split())


def check_that_it_loads_nothing(page):
    links = [a[key] for _, a in page.elements for key in ('src', 'href', 'srcset') if key in a]
    assert links
    assert all(link.startswith(('data:image/jpeg;base64,', '#')) for link in links)
    assert not page.all('link', 'iframe', 'object', 'embed')
    policy = next(a['content'] for a in page.all('meta') if 'http-equiv' in a)
    assert "default-src 'none'" in policy and 'http' not in policy


def check_that_it_is_readable_without_eyes(page):
    assert page.all('html')[0]['lang'] == 'en'
    assert any('width=device-width' in a.get('content', '') for a in page.all('meta'))
    assert all(a.get('aria-label') or a.get('aria-hidden') for a in page.all('svg'))
    assert len(page.all('table')) == len(page.all('caption')) > 0
    assert all('scope' in a for a in page.all('th'))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r'h\d', tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    ids = [a['id'] for _, a in page.elements if 'id' in a]
    assert len(ids) == len(set(ids)) and 'main' in ids


def overflows(page):
    """Return whether a page is wider than its window."""
    return page.evaluate('document.documentElement.scrollWidth > innerWidth')
