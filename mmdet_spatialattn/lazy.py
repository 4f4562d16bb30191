"""Names of a package that import their module when they are first used."""

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Callable


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names are imported when used.

    Args:
        package: ``__name__`` of the package.
        modules: By name, the module of the package that defines it.
    """

    def getattr_(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f'module {package!r} has no attribute {name!r}')
        value = getattr(importlib.import_module(f'.{modules[name]}', package), name)
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return getattr_, dir_
