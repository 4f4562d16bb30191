"""Tables as plain text and as Markdown."""

import re
from collections.abc import Sequence
from typing import Optional


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns: the first to the left, the others to the right.

    Example:
        >>> print(text_table(('measure', 'mean'), (('cover', '0.12'), ('max_iou', '0.05'))))
        measure  mean
        cover    0.12
        max_iou  0.05
    """
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    return '\n'.join(
        '  '.join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in (header, *rows)
    )


def short(value: Optional[float]) -> str:
    """Return a number with three significant digits, an empty text for none."""
    return '' if value is None else f'{value:.3g}'


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: the first column to the left, the others to the right.

    Example:
        >>> print(markdown_table(('arm', 'AP'), (('a|b', '29.7'),)))
        | arm | AP |
        |---|---:|
        | a\\|b | 29.7 |
    """

    def line(cells: Sequence[str]) -> str:
        return '| ' + ' | '.join(map(markdown_text, cells)) + ' |'

    ruler = '|---|' + '---:|' * (len(header) - 1)
    return '\n'.join([line(header), ruler, *map(line, rows)])


def markdown_text(text: str) -> str:
    """Return a text so that Markdown shows it as it is, in one line.

    Example:
        >>> print(markdown_text('<b> *n_a*'))
        \\<b\\> \\*n\\_a\\*
    """
    return re.sub(r'([\\`*_{}\[\]<>|#~&])', r'\\\1', ' '.join(str(text).split()))
