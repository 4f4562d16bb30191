"""List the attention modules, or show one in full.

    spatialattn list
    spatialattn list --family channel --json channel.json
    spatialattn list CBAM

Parameters are counted at 256 channels. The column "start" is the effect of a new module on random
normal features: `identity`, a factor such as `x 0.50`, or `destroys`; a module with another start
than `identity` needs identity_init=True in a pretrained detector.
"""

from typing import TYPE_CHECKING, Optional

from ._command import Parser, command, maybe_write_json

if TYPE_CHECKING:
    from ..attention.catalogue import AttentionRecord


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('list', __doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument('name', nargs='?', help='show this module in full')
    choice.add_argument('--family', metavar='F', help='only the modules of this family')
    parser.add_json()
    args = parser.parse_args(argv)

    from ..attention.catalogue import FAMILIES, find_attention, list_attention
    from ..errors import UserError, did_you_mean

    records = list_attention()
    if args.name:
        cls = find_attention(args.name)
        records = [record for record in records if record.cls is cls]
        _show(records[0])
    else:
        if args.family:
            if args.family not in FAMILIES:
                nearest = did_you_mean(args.family, FAMILIES)
                known = ', '.join(FAMILIES)
                raise UserError(f"unknown family '{args.family}'{nearest} (known: {known})")
            records = [record for record in records if record.family == args.family]
        _table(records)
    maybe_write_json(args.json, [record.to_dict() for record in records])
    return 0


def _table(records: 'list[AttentionRecord]') -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table('module', 'family', 'year', 'parameters', 'start', 'cost', box=SIMPLE_HEAD)
    table.columns[3].justify = 'right'
    for record in records:
        year = str(record.year or '')
        count = f'{record.parameters():,}'
        effect = str(record.initial_effect())
        table.add_row(record.name, record.family, year, count, effect, record.cost)
    console = Console()
    console.width = max(console.width, 90)  # whole names, also in a pipe
    console.print(table)


def _show(record: 'AttentionRecord') -> None:
    import inspect
    import re

    counts = ', '.join(f'{count:,} at {width}' for width, count in record.counts().items())
    guided = ', guided' if record.guided else ''
    print(f'{record.name} ({record.family}{guided})\n')
    print(f'paper       {record.paper}')
    print(f'parameters  {counts} channels')
    print(f'start       {record.initial_effect()}')
    print(f'cost        {record.cost}')
    print(f'maps        {", ".join(record.maps) or "none"}')
    print(f"config      dict(type='mmdet_spatialattn.{record.name}')\n")
    print(re.sub(r':\w+:`([^`]*)`', r'\1', inspect.getdoc(record.cls) or ''))
