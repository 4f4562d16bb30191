"""Common parts of all commands: parser, one-line errors with exit code 2, ``--json``, output."""

import argparse
import functools
import inspect
import os
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional

from ..errors import UserError, did_you_mean
from ..io import write_json
from ..processors import Progress

VERDICTS = {'green': r'\bhelps\b', 'red': r'\bhurts\b', 'cyan': r'\bequivalent\b'}
"""By colour, the words of a verdict that have it; the others (inconclusive) have none."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps the paragraphs of a docstring between words, and its indented commands with ``\\``."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return '\n\n'.join(_wrapped(paragraph, width) for paragraph in text.split('\n\n'))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrap(' '.join(text.split()), width)


def _wrapped(paragraph: str, width: int) -> str:
    if not paragraph.startswith(' '):
        return '\n'.join(_wrap(' '.join(paragraph.split()), width))
    commands = paragraph.replace('\\\n', ' ').splitlines()
    return '\n'.join(_wrapped_command(' '.join(line.split()), width) for line in commands)


def _wrapped_command(line: str, width: int) -> str:
    lines = _wrap(line, width - 2, first=' ' * 4, later=' ' * 8)
    return ' \\\n'.join(lines)


def _wrap(text: str, width: int, first: str = '', later: str = '') -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


class ParserBuilt(Exception):
    """Brings the parser of a command to :func:`parser_of`.

    Attributes:
        parser: The parser.
    """

    def __init__(self, parser: 'Parser') -> None:
        self.parser = parser


BUILD_ONLY = ['']
"""The arguments, by identity, with which a command builds its parser and does nothing else."""


class Parser(argparse.ArgumentParser):
    """A parser that shows the command's docstring as help and prints errors in one line."""

    def __init__(self, name: str, doc: Optional[str], **kwargs) -> None:
        super().__init__(
            prog=f'spatialattn {name}',
            description=inspect.cleandoc(doc or ''),
            formatter_class=HelpFormatter,
            **kwargs,
        )

    def parse_args(self, args=None, namespace=None, *, intermixed=False):  # type: ignore[override]
        """Parse as argparse does; the error for an unknown flag names the nearest known one.

        Args:
            args: The arguments; those of the process by default.
            namespace: See argparse.
            intermixed: Whether options may stand between positional arguments.
        """
        if args is BUILD_ONLY:
            raise ParserBuilt(self)
        parse = self.parse_known_intermixed_args if intermixed else self.parse_known_args
        parsed, unknown = parse(args, namespace)
        if unknown:
            known = [flag for action in self._actions for flag in action.option_strings]
            nearest = did_you_mean(unknown[0].partition('=')[0], known)
            self.error(f"unknown argument '{unknown[0]}'{nearest}")
        return parsed

    def error(self, message: str) -> NoReturn:
        raise UserError(f'{message} (see {self.prog} --help)')

    def add_json(self) -> None:
        """Add ``--json FILE``."""
        self.add_argument('--json', metavar='FILE', help='write the table as JSON to FILE')


def command(main: Callable[[Optional[list[str]]], int]) -> Callable[..., int]:
    """Turn a user's mistake into one line on stderr and exit code 2, and Ctrl-C into code 130."""

    @functools.wraps(main)
    def wrapped(argv: Optional[list[str]] = None) -> int:
        name = main.__module__.rpartition('.')[2]
        try:
            return main(argv)
        except UserError as error:
            line = ' '.join(str(error).split())
            print(f'spatialattn {name}: error: {line}', file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f'spatialattn {name}: interrupted', file=sys.stderr)
            return 130
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    return wrapped


def parser_of(main: Callable[..., int]) -> Parser:
    """Return the parser of a command, from its ``main``."""
    try:
        main(BUILD_ONLY)
    except ParserBuilt as built:
        return built.parser
    raise AssertionError(f'{main.__module__} parses no arguments')


def show(text: object) -> None:
    """Print a result; in a terminal its verdicts have colours, unless ``NO_COLOR`` is set."""
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.text import Text

    styled = Text(str(text))
    for colour, words in VERDICTS.items():
        styled.highlight_regex(words, colour)
    Console(highlight=False).print(styled, soft_wrap=True)


def print_next(step: str) -> None:
    """Print, as the end of a command, what to do next."""
    print(f'\nNext: {step}')


def print_page(path: object) -> None:
    """Print, as the end of a command, the page to open."""
    print(f'\nOpen: {Path(str(path)).resolve().as_uri()}')


def maybe_write_json(path: Optional[str], data: Any) -> None:
    """Write ``data`` as JSON if the user gave ``--json``."""
    if path:
        write_json(path, data)


def progress(title: str) -> Progress:
    """Return a progress-bar wrapper for an iterable; the bar is shown on stderr, in a terminal."""

    def wrap(items: Iterable, number: int) -> Iterable:
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        if not console.is_terminal:
            return items
        return track(items, title, number, console=console, transient=True)

    return wrap
