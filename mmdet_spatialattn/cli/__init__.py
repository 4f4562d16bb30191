"""``spatialattn <command>``: one module per command, each with ``main(argv) -> int``."""

import ast
import importlib
import pkgutil
import sys
from pathlib import Path
from typing import Optional

from ..errors import did_you_mean

__all__ = ['commands', 'main']


def commands() -> list[str]:
    """Return the names of all commands, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith('_'))


def main(argv: Optional[list[str]] = None) -> int:
    """Run ``spatialattn``: hand the arguments to the command named first."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ('-h', '--help'):
        print(_usage())
        return 0 if argv else 2
    if argv[0] == '--version':
        from ..version import __version__

        print(__version__)
        return 0
    name = argv[0]
    if name not in commands():
        nearest = did_you_mean(name, commands())
        known = ', '.join(commands())
        print(f"spatialattn: unknown command '{name}'{nearest} (known: {known})", file=sys.stderr)
        return 2
    return importlib.import_module(f'.{name}', __name__).main(argv[1:])


def _usage() -> str:
    lines = ['usage: spatialattn COMMAND [options]; spatialattn COMMAND --help explains one', '']
    for name in commands():
        source = (Path(__file__).parent / f'{name}.py').read_text(encoding='utf-8')
        summary = (ast.get_docstring(ast.parse(source)) or '').splitlines()[0]
        lines.append(f'  {name:<10} {summary}')
    return '\n'.join(lines)
