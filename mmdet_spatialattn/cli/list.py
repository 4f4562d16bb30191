"""Show the attention modules.

    spatialattn list
    spatialattn list CBAM
    spatialattn list --family spatial --json modules.json

The table has one line for each module; with a name, everything about that one.
"""

from typing import Any, Optional

from ..errors import UserError, did_you_mean
from ._command import Parser, command, maybe_write_json


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('list', __doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument('name', nargs='?', help='show this module in full')
    choice.add_argument('--family', help='only the modules of this family')
    parser.add_json()
    args = parser.parse_args(argv)

    import inspect

    from ..attention.catalogue import find_attention, list_attention

    records = list_attention()
    if args.family:
        families = sorted({record.family for record in records})
        if args.family not in families:
            nearest = did_you_mean(args.family, families)
            raise UserError(
                f"unknown family '{args.family}'{nearest} (known: {', '.join(families)})"
            )
        records = [record for record in records if record.family == args.family]
    if args.name:
        cls = find_attention(args.name)
        records = [record for record in records if record.cls is cls]
        for record in records:
            row = _row(record)
            width = max(map(len, row))
            for key, value in row.items():
                print(f'{key:<{width}}  {_text(value)}')
            print(f'\n{cls.__name__}{inspect.signature(cls)}\n\n{inspect.getdoc(cls)}')
    else:
        _print_table([_row(record) for record in records])
    maybe_write_json(args.json, [_row(record) for record in records])
    return 0


def _row(record: Any) -> dict[str, Any]:
    """Return what a record says, with the class by its name."""
    row = dict(vars(record))
    cls = row.pop('cls')
    return {**row, 'class': f'{cls.__module__}.{cls.__qualname__}'}


def _text(value: Any) -> str:
    return ', '.join(map(str, value)) if isinstance(value, (list, tuple)) else str(value or '-')


def _print_table(rows: list[dict[str, Any]]) -> None:
    """Print aligned columns; the long ones (paper, class) are left to ``list NAME``."""
    columns = [key for key in rows[0] if key not in ('paper', 'class')]
    lines = [columns, *([_text(row[key]) for key in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print('  '.join(f'{cell:<{width}}' for cell, width in zip(line, widths)).rstrip())
