"""Flags and output of the commands that train several runs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ._command import Parser, print_page, show

if TYPE_CHECKING:
    from ..results import SweepResult


def add_sweep_flags(parser: Parser) -> None:
    """Add the flags of commands that train several runs."""
    parser.add_argument(
        '--jobs',
        type=_positive,
        default=1,
        metavar='N',
        help='number of runs at a time; they share the processors (default %(default)s)',
    )
    parser.add_argument(
        '--device',
        '--devices',
        default='auto',
        metavar='auto|cpu|cuda',
        help='auto takes the GPUs if there are some; cuda is an error where there is none; '
        'cuda:0,cuda:2 takes these two, each run one of them',
    )


def print_result(result: 'SweepResult', folder: Path) -> None:
    """Print the result of a sweep, its failed runs, and where its pages are."""
    from ..report import answer
    from ..results.sweep import FAILED

    for run in result.runs:
        if run.state == FAILED:
            print(f'{run.name} failed; its log: {folder / run.log}')
    show(result)
    show(f'\n{" ".join(answer(result))}\n')
    print(folder / 'report.md')
    print_page(folder / 'report.html')


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1, got {text}')
    return int(text)
