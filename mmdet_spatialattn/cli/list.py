"""List the attention modules, or show one in full.

    spatialattn list
    spatialattn list --family channel --json channel.json
    spatialattn list CBAM

Parameters are counted at 256 channels. The column "start" is the effect of a new module on random
normal features: `identity`, a factor such as `x 0.50`, or `destroys`; a module with another start
than `identity` needs identity_init=True in a pretrained detector.
"""

import json
import re
from importlib import resources
from typing import Any, Optional

from ..errors import UserError, did_you_mean
from ..tables import text_table
from ._command import Parser, command, maybe_write_json, print_next

SCOPE = 'mmdet_spatialattn'


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('list', __doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument('name', nargs='?', help='show this module in full')
    choice.add_argument('--family', metavar='F', help='only the modules of this family')
    parser.add_json()
    args = parser.parse_args(argv)

    records = _records()
    if args.name:
        records = [_find(records, args.name)]
        _show(records[0])
        print_next('insert it in a config, and check that with spatialattn audit CONFIG')
    else:
        if args.family:
            families = list(dict.fromkeys(record['family'] for record in records))
            if args.family not in families:
                nearest = did_you_mean(args.family, families)
                known = ', '.join(families)
                raise UserError(f"unknown family '{args.family}'{nearest} (known: {known})")
            records = [record for record in records if record['family'] == args.family]
        print(_table(records))
        print_next('spatialattn list NAME shows one in full')
    maybe_write_json(args.json, records)
    return 0


def _records() -> list[dict[str, Any]]:
    """Read the records of all modules as they were generated, which needs no torch."""
    file = resources.files(SCOPE).joinpath('attention', 'catalogue.json')
    return json.loads(file.read_text(encoding='utf-8'))


def _find(records: list[dict[str, Any]], name: str) -> dict[str, Any]:
    by_name = {record['name']: record for record in records}
    short = name.rpartition('.')[2] if name.startswith(f'{SCOPE}.') else name
    if short not in by_name:
        raise UserError(f"unknown attention '{name}'{did_you_mean(short, by_name)}")
    return by_name[short]


def _table(records: list[dict[str, Any]]) -> str:
    rows = [
        (
            record['name'],
            record['family'],
            str(record['year'] or ''),
            f'{record["parameters"]["256"]:,}',
            record['initial_effect'],
            record['cost'],
        )
        for record in records
    ]
    header = ('module', 'family', 'year', 'parameters', 'start', 'cost')
    return text_table(header, rows, n_text=2)


def _show(record: dict[str, Any]) -> None:
    counts = ', '.join(f'{count:,} at {width}' for width, count in record['parameters'].items())
    guided = ', guided' if record['guided'] else ''
    print(f'{record["name"]} ({record["family"]}{guided})\n')
    print(f'paper       {record["paper"]}')
    print(f'parameters  {counts} channels')
    print(f'start       {record["initial_effect"]}')
    print(f'cost        {record["cost"]}')
    print(f'maps        {", ".join(record["maps"]) or "none"}')
    print(f"config      dict(type='{SCOPE}.{record['name']}')\n")
    print(re.sub(r':\w+:`([^`]*)`', r'\1', record['doc']))
