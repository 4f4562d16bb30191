"""Tables as plain text, HTML and Markdown, and numbers as they stand in them."""

import html
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

GAP = '  '
MISSING = '-'
"""Shown in a cell without a number."""


class Table(NamedTuple):
    """A table with a caption: the first column is text, the others are numbers.

    Attributes:
        caption: Title; may be empty.
        header: Name of each column.
        rows: Cells of each row, as text.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Return the table as plain text below its caption."""
        table = text_table(self.header, self.rows)
        return f'{self.caption}\n{table}' if self.caption else table

    def markdown(self) -> str:
        """Return the table as Markdown below its caption."""
        table = markdown_table(self.header, self.rows)
        return f'{markdown_text(self.caption)}:\n\n{table}' if self.caption else table

    def html(self) -> str:
        """Return the table as HTML.

        Example:
            >>> Table('', ('arm', 'AP'), [('<b>', '29.7')]).html()
            '<table><tr><th>arm</th><th>AP</th></tr><tr><td>&lt;b&gt;</td><td>29.7</td></tr></table>'
        """
        caption = f'<caption>{html.escape(self.caption)}</caption>' if self.caption else ''
        rows = [_html_row('th', self.header), *(_html_row('td', row) for row in self.rows)]
        return f'<table>{caption}{"".join(rows)}</table>'


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, n_text: int = 1) -> str:
    """Return a table with aligned columns.

    In a terminal that is too narrow for it, the columns continue below, each time after the first
    column. Elsewhere a row is one line.

    Args:
        header: Name of each column.
        rows: Cells of each row.
        n_text: Number of columns that hold text and are aligned to the left; the others, which hold
            numbers, are aligned to the right.

    Example:
        >>> print(text_table(('measure', 'mean'), (('cover', '0.12'), ('max_iou', '0.05'))))
        measure  mean
        cover    0.12
        max_iou  0.05
    """
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    aligned = [
        [
            cell.ljust(width) if column < n_text else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        for row in (header, *rows)
    ]
    return '\n\n'.join(
        '\n'.join(GAP.join(row[column] for column in columns).rstrip() for row in aligned)
        for columns in _folded(widths, terminal_width())
    )


def terminal_width() -> int:
    """Return the columns of the terminal, which ``COLUMNS`` overrides; elsewhere no limit."""
    return shutil.get_terminal_size((sys.maxsize, 0)).columns


def _folded(widths: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield the columns that stand side by side, the first of all among them.

    Example:
        >>> list(_folded([4, 4, 4, 9], limit=16))
        [[0, 1, 2], [0, 3]]
    """
    columns, used = [0], widths[0]
    for column, width in enumerate(widths[1:], 1):
        if len(columns) > 1 and used + len(GAP) + width > limit:
            yield columns
            columns, used = [0], widths[0]
        columns.append(column)
        used += len(GAP) + width
    yield columns


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: the first column to the left, the others to the right.

    Example:
        >>> print(markdown_table(('arm', 'AP'), (('a|b', '29.7'),)))
        | arm | AP |
        |---|---:|
        | a\\|b | 29.7 |
    """
    ruler = '|---|' + '---:|' * (len(header) - 1)
    return '\n'.join([_markdown_row(header), ruler, *map(_markdown_row, rows)])


def markdown_text(text: str) -> str:
    """Return a text so that Markdown shows it as it is, in one line.

    Example:
        >>> print(markdown_text('<b> *n_a*'))
        \\<b\\> \\*n\\_a\\*
    """
    return re.sub(r'([\\`*_{}\[\]<>|#~&])', r'\\\1', ' '.join(str(text).split()))


def short(value: Optional[float]) -> str:
    """Return a number with three significant digits; an empty text for ``None``."""
    return '' if value is None else f'{value:.3g}'


NARROW = 0.02
"""An interval of less than two points is shown with two decimals."""


def points(value: float, *, signed: bool = False, decimals: int = 1) -> str:
    """Return a metric in points, that is in hundredths.

    Example:
        >>> points(0.0123), points(0.0123, signed=True)
        ('1.2', '+1.2')
    """
    return f'{100 * value:{"+" if signed else ""}.{decimals}f}'


def decimals(low: float, high: float) -> int:
    """Return the decimals with which an interval in points, and what is in it, are shown."""
    return 2 if high - low < NARROW else 1


def estimate_points(value: float, low: float, high: float, *, signed: bool = False) -> str:
    """Return an estimate in points, with the decimals of its interval.

    Example:
        >>> estimate_points(0.0012, -0.001, 0.003, signed=True)
        '+0.12'
    """
    return points(value, signed=signed, decimals=decimals(low, high))


def interval_points(low: float, high: float, *, signed: bool = False) -> str:
    """Return the ends of an interval in points.

    Example:
        >>> interval_points(0.004, 0.034, signed=True), interval_points(0.004, 0.02)
        ('[+0.4, +3.4]', '[0.40, 2.00]')
    """
    digits = decimals(low, high)
    ends = (points(end, signed=signed, decimals=digits) for end in (low, high))
    return f'[{", ".join(ends)}]'


def p_value(p: float) -> str:
    """Return a p value.

    Example:
        >>> p_value(0.034), p_value(0.00012)
        ('0.034', '< 0.001')
    """
    return '< 0.001' if p < 0.001 else f'{p:.3f}'


def _markdown_row(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(map(markdown_text, cells)) + ' |'


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return '<tr>' + ''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells) + '</tr>'
