"""Tables fit the terminal, and only the terminal."""

import pytest

from mmdet_spatialattn.tables import text_table

HEADER = ('arm', 'AP', 'AP50', 'effect')
ROWS = [('baseline', '40.0', '60.0', ''), ('cbam', '41.5', '61.2', '+1.5 [+0.2, +2.8]')]


def test_a_narrow_terminal_continues_the_columns_below(monkeypatch):
    monkeypatch.setenv('COLUMNS', '30')
    assert text_table(HEADER, ROWS).splitlines() == [
        'arm         AP  AP50',
        'baseline  40.0  60.0',
        'cbam      41.5  61.2',
        '',
        'arm                  effect',
        'baseline',
        'cbam      +1.5 [+0.2, +2.8]',
    ]


@pytest.mark.parametrize('columns', ['39', None])
def test_a_table_that_fits_and_one_in_a_file_have_one_line_a_row(monkeypatch, columns):
    if columns is None:
        monkeypatch.delenv('COLUMNS', raising=False)
    else:
        monkeypatch.setenv('COLUMNS', columns)
    lines = text_table(HEADER, ROWS).splitlines()
    assert len(lines) == 3 and lines[2] == 'cbam      41.5  61.2  +1.5 [+0.2, +2.8]'
    assert len(lines[2]) == 39


def test_a_cell_wider_than_the_terminal_is_not_broken(monkeypatch):
    monkeypatch.setenv('COLUMNS', '10')
    assert 'cbam      +1.5 [+0.2, +2.8]' in text_table(HEADER, ROWS).splitlines()


def test_columns_of_text_are_aligned_to_the_left(monkeypatch):
    monkeypatch.delenv('COLUMNS', raising=False)
    table = text_table(('a', 'kind', 'n'), [('x', 'y', '10')], n_text=2)
    assert table == 'a  kind   n\nx  y     10'
