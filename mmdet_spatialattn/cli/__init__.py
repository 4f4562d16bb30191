"""``spatialattn <command>``: one module per command, each with ``main(argv) -> int``."""

import ast
import importlib
import pkgutil
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Optional

from ..errors import did_you_mean

__all__ = ['commands', 'main', 'summaries']

FOLDER = Path(__file__).parent


def commands() -> list[str]:
    """Return the names of all commands, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith('_'))


def main(argv: Optional[list[str]] = None) -> int:
    """Run ``spatialattn``: hand the arguments to the command named first."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ['help']:
        argv = [*argv[1:2], '--help']
    name, rest = (argv[0], argv[1:]) if argv else ('', [])
    if name in ('', '-h', '--help'):
        print(_usage())
        return 0 if name else 2
    if name in ('-V', '--version'):
        from ..version import __version__

        print(__version__)
        return 0
    if name == '--print-completion':
        from ._completion import print_completion

        return print_completion(rest)
    if name not in commands():
        nearest = did_you_mean(name, commands())
        known = ', '.join(commands())
        print(f"spatialattn: unknown command '{name}'{nearest} (known: {known})", file=sys.stderr)
        return 2
    return importlib.import_module(f'.{name}', __name__).main(rest)


def summaries() -> dict[str, str]:
    """Return the first line of the help of every command, without importing the commands."""
    docs = {
        name: ast.get_docstring(ast.parse((FOLDER / f'{name}.py').read_text(encoding='utf-8')))
        for name in commands()
    }
    return {name: (doc or '').splitlines()[0] for name, doc in docs.items()}


def _usage() -> str:
    lines = ['usage: spatialattn COMMAND [options]', '']
    width = min(shutil.get_terminal_size().columns, 100)
    for name, summary in summaries().items():
        lines += textwrap.wrap(
            summary,
            width,
            initial_indent=f'  {name:<8} ',
            subsequent_indent=' ' * 11,
            break_on_hyphens=False,
        )
    lines += [
        '',
        'spatialattn help COMMAND              explains one',
        'spatialattn --print-completion SHELL  completion for bash or zsh',
        'spatialattn -V, --version             the version',
    ]
    return '\n'.join(lines)
