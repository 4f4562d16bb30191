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
from typing import Any, Optional

import mmdet_spatialattn

OUT = Path(__file__).resolve().parents[2] / 'tests' / 'public_surface.txt'
WIDTH = 88
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
        lines += [f'    {line}' for line in _describe(name, getattr(package, name))]
    return '\n'.join(lines)


def _describe(name: str, value: Any) -> Iterator[str]:
    """Yield the lines of one name."""
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
        yield from _function(name, node)
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
                yield f'{member.name}{_returns(member)}'
            else:
                yield from _function(member.name, member)


def _is_public(name: str) -> bool:
    return not name.startswith('_') or name in ('__init__', '__call__')


def _function(name: str, node: ast.FunctionDef) -> Iterator[str]:
    """Yield a signature in one line, or with a line per parameter where it is long."""
    parameters = _parameters(node.args)
    line = f'{name}({", ".join(parameters)}){_returns(node)}'
    if len(line) <= WIDTH:
        yield line
        return
    yield f'{name}('
    for parameter in parameters:
        yield f'    {parameter},'
    yield f'){_returns(node)}'


def _returns(node: ast.FunctionDef) -> str:
    return f' -> {ast.unparse(node.returns)}' if node.returns else ''


def _parameters(arguments: ast.arguments) -> list[str]:
    """Return the parameters of a function as the source has them, but for ``self``."""
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = [None] * (len(positional) - len(arguments.defaults))
    parameters = list(map(_parameter, positional, [*without_default, *arguments.defaults]))
    if arguments.vararg:
        parameters.append(f'*{ast.unparse(arguments.vararg)}')
    elif arguments.kwonlyargs:
        parameters.append('*')
    parameters += map(_parameter, arguments.kwonlyargs, arguments.kw_defaults)
    if arguments.kwarg:
        parameters.append(f'**{ast.unparse(arguments.kwarg)}')
    return [parameter for parameter in parameters if parameter not in ('self', 'cls')]


def _parameter(argument: ast.arg, default: Optional[ast.expr]) -> str:
    return ast.unparse(argument) + (f' = {ast.unparse(default)}' if default else '')


def _source_of(value: Any) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(value)))).body[0]


def difference() -> str:
    """Return how the surface differs from the recorded one; empty when it does not."""
    recorded = OUT.read_text(encoding='utf-8') if OUT.is_file() else ''
    before, after = recorded.splitlines(keepends=True), surface().splitlines(keepends=True)
    return ''.join(difflib.unified_diff(before, after, 'recorded', 'present', n=2))


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
