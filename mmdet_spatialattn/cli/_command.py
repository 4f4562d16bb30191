"""Common parts of all commands: parser, one-line errors with exit code 2, ``--json``, progress."""

import argparse
import functools
import inspect
import os
import sys
from collections.abc import Iterable
from typing import Any, Callable, NoReturn, Optional

from ..errors import UserError, did_you_mean
from ..io import write_json
from ..processors import Progress


class Parser(argparse.ArgumentParser):
    """A parser that shows the command's docstring as help and prints errors in one line."""

    def __init__(self, name: str, doc: Optional[str], **kwargs) -> None:
        super().__init__(
            prog=f'spatialattn {name}',
            description=inspect.cleandoc(doc or ''),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def parse_args(self, args=None, namespace=None, *, intermixed=False):  # type: ignore[override]
        """Parse as argparse does; the error for an unknown flag names the nearest known one.

        Args:
            args: The arguments; those of the process by default.
            namespace: See argparse.
            intermixed: Whether options may stand between positional arguments.
        """
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
