"""``mmcv._ext`` without a compiler: mmcv's operators on torchvision and plain torch.

Every module of ``mmcv.ops`` takes its functions from ``mmcv._ext``, which only a compiled mmcv has.
:func:`install` appends a finder to ``sys.meta_path``. A compiled module is found before it; where
there is none, the finder makes one when ``mmcv.ops`` is first imported. An operator that is not
provided raises an error when it is called, and not before, because ``mmcv.ops`` loads all of its
modules at once and asserts that the names exist.
"""

import importlib
import re
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, NoReturn, Optional

from ...errors import MissingExtra, UserError
from .table import OPERATORS

EXTENSION = 'mmcv._ext'


def install() -> None:
    """Provide the operators to mmcv; cheap, loads nothing, and safe to call twice."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
    loaded = sys.modules.get(EXTENSION)
    if loaded is not None and not _is_ours(loaded) and not _is_compiled(loaded):
        warnings.warn(
            f'{EXTENSION} was set by other code before mmdet_spatialattn was imported, so the '
            'operators come from there; import mmdet_spatialattn first to use its operators',
            stacklevel=3,
        )


def operator_sources() -> dict[str, str]:
    """Return the origin of every operator of mmcv, by its name; imports mmcv and torch.

    An origin is ``'compiled mmcv'``, ``'torchvision'``, ``'torch'``, ``'not available'``, or
    ``'unknown'`` where other code has replaced ``mmcv._ext``.

    Raises:
        MissingExtra: mmcv is not installed.
        UserError: mmcv's operators cannot be loaded; the message has the reason and the remedy.
    """
    try:
        importlib.import_module('mmcv.ops')
    except ImportError as error:
        raise _unloadable(error) from error
    extension = sys.modules[EXTENSION]
    ours = {name: operator.source for operator in OPERATORS for name in operator.functions}
    sources = {}
    for function in vars(extension):
        if function.startswith('_'):
            continue
        if not _is_ours(extension):
            source = 'compiled mmcv' if _is_compiled(extension) else 'unknown'
        else:
            source = ours.get(function, 'not available')
        sources[_operator_of(function)] = source
    return dict(sorted(sources.items()))


class _ExtensionLoader(Loader):
    def exec_module(self, module: ModuleType) -> None:
        _require_torchvision()
        for operator in OPERATORS:
            implementation = importlib.import_module(f'.{operator.module}', __name__)
            for name in operator.functions:
                setattr(module, name, getattr(implementation, name))

        def missing(name: str) -> Callable[..., NoReturn]:
            if name.startswith('_'):
                raise AttributeError(f'module {EXTENSION!r} has no attribute {name!r}')
            setattr(module, name, _not_available(name))
            return getattr(module, name)

        module.__doc__ = __doc__
        module.__getattr__ = missing  # type: ignore[method-assign]


class _ExtensionFinder(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Optional[Sequence[str]] = None,
        target: Optional[ModuleType] = None,
    ) -> Optional[ModuleSpec]:
        if fullname != EXTENSION:
            return None
        return ModuleSpec(fullname, _ExtensionLoader(), origin=__name__)


_FINDER = _ExtensionFinder()


def _not_available(name: str) -> Callable[..., NoReturn]:
    def unavailable(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"the operator '{name}' needs a compiled mmcv: mmdet_spatialattn provides the "
            'operators that MMDetection uses, and this is not one of them. To get it, uninstall '
            'mmcv-lite and install mmcv built for this torch, '
            'https://mmcv.readthedocs.io/en/latest/get_started/installation.html'
        )

    unavailable.__name__ = name
    return unavailable


def _require_torchvision() -> None:
    import torch

    try:
        importlib.import_module('torchvision')
        torch.ops.torchvision.nms  # noqa: B018
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        raise UserError(
            f'the operators of MMDetection need a torchvision that fits torch {torch.__version__}, '
            f'which cannot be loaded ({error}); install torch and torchvision of one release '
            'from the same index'
        ) from error


def _is_ours(module: ModuleType) -> bool:
    spec = getattr(module, '__spec__', None)
    return isinstance(getattr(spec, 'loader', None), _ExtensionLoader)


def _is_compiled(module: ModuleType) -> bool:
    return bool(getattr(module, '__file__', None))


def _operator_of(function: str) -> str:
    return re.sub(r'_(forward|backward)(_\w+)?$', '', function)


def _unloadable(error: ImportError) -> UserError:
    if isinstance(error, ModuleNotFoundError) and error.name == 'mmcv':
        return MissingExtra("mmcv is not installed; pip install 'mmdet_spatialattn[lite]'")
    return UserError(
        f'mmcv.ops cannot be loaded: {error}; a compiled mmcv that does not fit this torch is '
        'best replaced: pip uninstall mmcv, then pip install mmcv-lite'
    )
