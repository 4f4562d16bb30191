"""Checkpoints of MMEngine on torch >= 2.6, with torch's protection on.

Since torch 2.6, ``torch.load`` reads with a restricted unpickler: a closed list of types, few
opcodes, calls of listed functions only. It refuses every checkpoint that MMEngine 0.10 writes,
because the log history in it holds ``HistoryBuffer`` objects, numpy arrays and ``builtins.getattr``
(the pickled form of a method). Listing those as they are would end the protection: ``getattr``
reaches any attribute, and numpy's ``__setstate__`` lets a file describe its numbers as pointers.

So while one file is read the list gets *stand-ins* under those names, which answer exactly what
such a checkpoint needs and refuse everything else:

================================  =================================================================
name in the file                  answered
================================  =================================================================
``builtins.getattr``              the statistics ``min, max, current, mean`` of ``HistoryBuffer``
``mmengine...HistoryBuffer``      a length, two arrays, the statistics above
``numpy.dtype``                   boolean, integer, floating and complex numbers
``numpy.ndarray``, ``numpy.core``  an array or a number made from its bytes, when their count is
``.multiarray._reconstruct``,     right; under both module names, ``numpy.core`` (numpy 1) and
``.scalar``                       ``numpy._core`` (numpy 2)
``builtins.bytes``                the empty bytes, without argument (the content of an empty array)
================================  =================================================================

Opcodes, storages and the remaining types are torch's business, which also refuses TorchScript and
tar archives. No file is read with ``weights_only=False``.
"""

import contextlib
import functools
import inspect
import math
import os
import re
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, Callable, NoReturn, Optional, Union

from ..errors import UserError
from .hook import after_import

STATISTICS = ('min', 'max', 'current', 'mean')
_LOCK = threading.RLock()  # torch's list is one for all threads


def install() -> None:
    """Let MMEngine read its own checkpoints, as soon as something imports its loaders."""
    after_import('mmengine.runner.checkpoint', _wrap_loaders)


def load_checkpoint(path: Union[str, Path], map_location: Any = 'cpu') -> dict:
    """Read a checkpoint; nothing in it is executed.

    Args:
        path: A local file, or an address that MMEngine reads (``https://``, ``torchvision://``).
        map_location: See :func:`torch.load`.

    Raises:
        UserError: The file is absent, damaged or no checkpoint, or it needs types that are not
            known to be safe; the message names the file and the types.
    """
    import torch

    name = os.path.expanduser(str(path))
    try:
        if '://' in name:
            from mmengine.runner.checkpoint import CheckpointLoader

            checkpoint = CheckpointLoader.load_checkpoint(name, map_location, logger='silent')
        else:
            with _guarded(name):
                checkpoint = torch.load(name, map_location=map_location, weights_only=True)
                checkpoint = _finish(checkpoint)
    except OSError as error:
        raise UserError(f'cannot read the checkpoint {name}: {error.strerror or error}') from error
    if not isinstance(checkpoint, dict):
        kind = type(checkpoint).__name__
        raise UserError(f'{name} is not a checkpoint: it holds a {kind}, not a dictionary')
    return checkpoint


def _wrap_loaders(module: ModuleType) -> None:
    """Guard the one method through which all loaders of ``mmengine.runner.checkpoint`` are called.

    Does nothing where torch does not refuse, or where MMEngine chooses ``weights_only`` itself.
    """
    import torch

    loader = module.CheckpointLoader
    original = loader.load_checkpoint.__func__
    version = re.match(r'(\d+)\.(\d+)', torch.__version__)
    if version is None or tuple(map(int, version.groups())) < (2, 6):
        return
    if hasattr(original, '__wrapped__') or 'weights_only' in inspect.getsource(module):
        return

    @functools.wraps(original)
    def load_checkpoint(cls, filename, map_location=None, logger='current'):
        with _guarded(filename):
            return _finish(original(cls, filename, map_location, logger))

    loader.load_checkpoint = classmethod(load_checkpoint)
    # What was downloaded would be read without protection: that is the default of torch.hub.
    vars(module)['load_url'] = functools.partial(module.load_url, weights_only=True)


@contextlib.contextmanager
def _guarded(name: str) -> Iterator[None]:
    """Put the stand-ins on torch's list, and turn what goes wrong in reading into a UserError."""
    from torch import serialization

    with _LOCK:
        own = _stand_ins()
        names = {name for _, name in own}
        # A user's own additions stay, but not in the place of a stand-in.
        displaced = [e for e in serialization.get_safe_globals() if _name(e) in names]
        _change_list(remove=displaced, add=own)
        try:
            yield
        except UnpicklingError as error:
            raise UserError(_refusal(name, str(error))) from error
        except RuntimeError as error:
            if isinstance(error, RecursionError) or re.search(_DAMAGED, str(error)):
                raise UserError(_refusal(name, str(error))) from error
            raise
        except _BROKEN_PICKLE as error:
            raise UserError(_refusal(name, f'{type(error).__name__}: {error}')) from error
        finally:
            _change_list(remove=own, add=displaced)


# What a pickle that is cut, or was never one, makes torch's unpickler raise.
_BROKEN_PICKLE = (
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    UnicodeDecodeError,
    ValueError,
    struct.error,
)
_DAMAGED = 'PytorchStreamReader|Invalid magic number|Invalid protocol|TorchScript|tar|EOF|storage'


def _change_list(remove: list, add: list) -> None:
    from torch import serialization

    kept = [entry for entry in serialization.get_safe_globals() if entry not in remove]
    serialization.clear_safe_globals()
    serialization.add_safe_globals([*kept, *add])


def _name(entry: Any) -> str:
    if isinstance(entry, tuple):
        return entry[1]
    return f'{entry.__module__}.{entry.__qualname__}'


def _refusal(name: str, message: str) -> str:
    """Say in one line why the file is not read."""
    unsafe = re.search(r'GLOBAL (\S+)', message)
    if unsafe:
        return (
            f'{name} needs types that are not known to be safe: {unsafe.group(1)}; nothing of it '
            'was executed. If you trust its source, save its weights alone to a new file: '
            "torch.save({'state_dict': torch.load(FILE, weights_only=False)['state_dict']}, NEW)"
        )
    return f'{name} is damaged or not a checkpoint ({message.splitlines()[0]})'


def _refuse(what: str) -> NoReturn:
    raise UnpicklingError(f'Unsupported GLOBAL {what}')


class _Number:
    """Stand-in for ``numpy.dtype``: the description of plain numbers."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        self.code = code
        self.value: Any = None

    def __setstate__(self, state: tuple) -> None:
        import numpy as np

        plain = re.fullmatch('b1|[iufc](1|2|4|8|16|32)', self.code)
        if not plain or state[1] not in '<>|=' or state[2:5] != (None, None, None):
            _refuse(f'numpy.dtype({self.code!r})')
        self.value = np.dtype(self.code).newbyteorder(state[1])


class _Array:
    """Stand-in for ``numpy.ndarray``: an array made from its bytes."""

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, number, fortran, data = state
        self.value = _from_bytes(number, shape, data, 'F' if fortran else 'C')


def _from_bytes(number: Any, shape: tuple, data: Any, order: Any = 'C') -> Any:
    import numpy as np

    if not isinstance(number, _Number) or not isinstance(data, bytes):
        _refuse('numpy.ndarray of other things than numbers')
    if math.prod(shape) * number.value.itemsize != len(data) or min(shape, default=0) < 0:
        raise ValueError(f'an array of shape {shape} in {len(data)} bytes')
    return np.frombuffer(data, number.value).reshape(shape, order=order).copy(order='K')


def _reconstruct(kind: type, shape: tuple, typecode: bytes) -> _Array:
    """Stand-in for ``numpy.core.multiarray._reconstruct``: an array that is not filled yet."""
    if kind is not _Array:
        _refuse('numpy.core.multiarray._reconstruct of a subclass')
    return _Array()


def _scalar(number: _Number, data: bytes) -> Any:
    """Stand-in for ``numpy.core.multiarray.scalar``."""
    return _from_bytes(number, (), data)[()]


def _empty_bytes() -> bytes:
    """Stand-in for ``builtins.bytes``."""
    return b''


@functools.lru_cache(maxsize=1)
def _stand_ins() -> list[tuple[Any, str]]:
    """Return the stand-ins and the names under which files ask for them."""
    from mmengine.logging import HistoryBuffer

    class History(HistoryBuffer):
        """Stand-in for ``HistoryBuffer``; becomes one when its state is checked."""

        def __init__(self) -> None:
            pass

        def __setstate__(self, state: dict) -> None:
            log, count = state.pop('_log_history'), state.pop('_count_history')
            known = {'max_length', 'statistics_methods'}
            statistics = state.get('statistics_methods', {})
            methods = [getattr(HistoryBuffer, name) for name in STATISTICS]
            if set(state) - known or any(method not in methods for method in statistics.values()):
                _refuse(f'HistoryBuffer with {sorted(set(state) - known) or list(statistics)}')
            super().__setstate__(
                {
                    **state,
                    '_log_history': log.value,
                    '_count_history': count.value,
                }
            )
            self.__class__ = HistoryBuffer

    def statistic(owner: Any, name: str) -> Callable:
        """Stand-in for ``builtins.getattr``."""
        if owner is not History or name not in STATISTICS:
            _refuse(f'builtins.getattr({getattr(owner, "__name__", owner)}, {name!r})')
        return getattr(HistoryBuffer, name)

    stand_ins = [
        (statistic, 'builtins.getattr'),
        (_empty_bytes, 'builtins.bytes'),
        (History, 'mmengine.logging.history_buffer.HistoryBuffer'),
        (_Number, 'numpy.dtype'),
        (_Array, 'numpy.ndarray'),
    ]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        stand_ins += [(_reconstruct, f'{module}._reconstruct'), (_scalar, f'{module}.scalar')]
    return stand_ins


def _finish(value: Any, seen: Optional[set[int]] = None) -> Any:
    """Put the arrays in the place of their stand-ins, below lists, tuples and dictionaries."""
    seen = set() if seen is None else seen
    if isinstance(value, (_Array, _Number)):
        return value.value
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_finish(item, seen) for item in value)
    if id(value) in seen:
        return value
    if isinstance(value, dict):
        seen.add(id(value))
        for key in value:
            value[key] = _finish(value[key], seen)
    elif isinstance(value, list):
        seen.add(id(value))
        value[:] = [_finish(item, seen) for item in value]
    return value
