"""Tables as plain text."""

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
