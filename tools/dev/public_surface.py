"""Record the public names of the package and their signatures, so that a change of them is seen.

    python tools/dev/public_surface.py            write tests/public_surface.txt
    python tools/dev/public_surface.py --check    exit 1 and show the difference

Public are the names in ``__all__`` of the package and of every sub-package. Signatures stand there
as the source has them.
"""

import argparse
import ast
import difflib
import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Union

import mmdet_spatialattn

OUT = Path(__file__).resolve().parents[2] / 'tests' / 'public_surface.txt'
HEADER = """\
# Public names of the package, written by `python tools/dev/public_surface.py`.
"""


def surface() -> str:
    """Return the public names and signatures of all packages."""
    return HEADER + '\n'.join(f'\n{line}' for line in map(_package, packages())) + '\n'


def packages() -> list[ModuleType]:
    """Return the package and its sub-packages."""
    root = mmdet_spatialattn
    names = (module.name for module in pkgutil.iter_modules(root.__path__) if module.ispkg)
    return [root, *(importlib.import_module(f'{root.__name__}.{name}') for name in names)]


def _package(package: ModuleType) -> str:
    lines = [package.__name__]
    for name in sorted(package.__all__):
        for line in _describe(name, getattr(package, name)):
            indent = ' ' * (4 + len(line) - len(line.lstrip()))
            lines.append(_wrapped(line.strip(), indent))
    return '\n'.join(lines)


def _wrapped(line: str, indent: str) -> str:
    return textwrap.fill(
        line,
        width=100,
        initial_indent=indent,
        subsequent_indent=f'{indent}        ',
        break_long_words=False,
        break_on_hyphens=False,
    )


def _describe(name: str, value: Any) -> Iterator[str]:
    """Yield the lines of one name; those of its members are indented."""
    if inspect.isclass(value):
        node = _source_of(value)
        assert isinstance(node, ast.ClassDef)
        bases = f'({", ".join(map(ast.unparse, node.bases))})' if node.bases else ''
        yield f'class {name}{bases}'
        for line in _members(node):
            yield f'    {line}'
    elif inspect.isroutine(value):
        node = _source_of(value)
        assert isinstance(node, ast.FunctionDef)
        yield f'{name}{_signature(node)}'
    else:
        yield name


def _members(node: ast.ClassDef) -> Iterator[str]:
    """Yield the fields, the constructor and the public methods that a class defines itself."""
    for member in node.body:
        if isinstance(member, ast.AnnAssign) and not ast.unparse(member.target).startswith('_'):
            yield ast.unparse(member)
        elif isinstance(member, ast.FunctionDef) and _is_public(member.name):
            decorators = [ast.unparse(decorator) for decorator in member.decorator_list]
            if 'property' in decorators or 'cached_property' in decorators:
                yield f'{member.name} -> {ast.unparse(member.returns or ast.Constant(None))}'
            else:
                yield f'{member.name}{_signature(member)}'


def _is_public(name: str) -> bool:
    return not name.startswith('_') or name in ('__init__', '__call__')


def _signature(node: ast.FunctionDef) -> str:
    returns = f' -> {ast.unparse(node.returns)}' if node.returns else ''
    return f'({ast.unparse(node.args)}){returns}'


def _source_of(value: Any) -> Union[ast.stmt, ast.ClassDef]:
    return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(value)))).body[0]


def difference() -> str:
    """Return how the surface differs from the recorded one; empty when it does not."""
    recorded = OUT.read_text(encoding='utf-8') if OUT.is_file() else ''
    lines = (text.splitlines(keepends=True) for text in (recorded, surface()))
    return ''.join(difflib.unified_diff(*lines, 'recorded', 'present', n=2))


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='write nothing, exit 1 on drift')
    args = parser.parse_args(argv)
    if args.check:
        changes = difference()
        print(changes, end='')
        return int(bool(changes))
    OUT.write_text(surface(), encoding='utf-8')
    print(f'{OUT}: written')
    return 0


if __name__ == '__main__':
    sys.exit(main())
