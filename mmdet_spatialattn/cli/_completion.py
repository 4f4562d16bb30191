"""Completion of commands, options and files by the shell, with shtab."""

import argparse
import importlib
import sys
from typing import Any

from ..errors import UserError, did_you_mean, require
from . import commands, summaries
from ._command import parser_of

FILES = ('FILE', 'ANN', 'CONFIG', 'CHECKPOINT', 'PLAN', 'PAGE', 'SIDECAR', 'PNG', 'JSON')
"""Beginnings of the names of arguments that are files."""


def print_completion(shells: list[str]) -> int:
    """Print the completion script of a shell, ``bash`` or ``zsh``."""
    try:
        print(completion(*shells[:1]))
    except UserError as error:
        print(f'spatialattn: error: {error}', file=sys.stderr)
        return 2
    return 0


def completion(shell: str = '') -> str:
    """Return the completion script of a shell.

    Raises:
        UserError: The shell is not known.
        MissingExtra: shtab is not installed.
    """
    shells = ('bash', 'zsh')
    if shell not in shells:
        raise UserError(
            f"--print-completion: expected bash or zsh, got '{shell}'{did_you_mean(shell, shells)}"
        )
    shtab: Any = require('shtab', 'completion')
    parser = argparse.ArgumentParser('spatialattn', add_help=False)
    choices = parser.add_subparsers()
    for name in commands():
        command = parser_of(importlib.import_module(f'.{name}', __package__).main)
        for action in command._actions:
            _complete_files(action, shtab)
        summary = summaries()[name].replace('%', '%%')
        choices.add_parser(name, parents=[command], add_help=False, help=summary)
    return shtab.complete(parser, shell)


def _complete_files(action: argparse.Action, shtab: Any) -> None:
    kind = str(action.metavar or action.dest).upper().rpartition(',')[2].strip(" '()")
    if kind == 'DIR':
        action.complete = shtab.DIR  # type: ignore[attr-defined]
    elif kind.startswith(FILES):
        action.complete = shtab.FILE  # type: ignore[attr-defined]
