"""The closed list of types with which files of MMEngine and MMDetection are read.

Since torch 2.6, ``torch.load`` reads with a restricted unpickler by default: a closed list of
types, few opcodes, calls of listed functions only. It refuses every checkpoint that MMEngine 0.10
writes, because the log history in it holds ``HistoryBuffer`` objects, NumPy arrays and
``builtins.getattr`` (the pickled form of a method). Listing those as they are would end the
protection: ``getattr`` reaches any attribute, and NumPy's ``__setstate__`` lets a file describe its
numbers as pointers.

Therefore the list holds *stand-ins* under those names while a file is read. They accept exactly
what such a file needs and refuse everything else:

================================  =================================================================
name in the file                  what its stand-in accepts
================================  =================================================================
``builtins.getattr``              the statistics ``min, max, current, mean`` of ``HistoryBuffer``
``mmengine...HistoryBuffer``      a length, two arrays, the statistics above
``numpy.dtype``                   boolean, integer, floating and complex numbers
``numpy.ndarray``, ``numpy.core``  an array or a number made from its bytes, when their count is
``.multiarray._reconstruct``,     right; under both module names, ``numpy.core`` (numpy 1) and
``.scalar``                       ``numpy._core`` (numpy 2)
``builtins.bytes``                the empty bytes, without argument (the content of an empty array)
``mmengine...ConfigDict``         a dictionary, as a data set's ``metainfo`` may hold
================================  =================================================================

torch checks opcodes, storages and the remaining types, and refuses TorchScript and tar archives.
"""

import contextlib
import functools
import math
import os
import re
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pickle import UnpicklingError
from typing import Any, Callable, NamedTuple, NoReturn, Optional

from ..errors import UserError
from ..io import describe_content

STATISTICS = ('min', 'max', 'current', 'mean')
WEIGHTS = ('state_dict', 'model_state_dict', 'model', 'net', 'module')
"""Keys under which checkpoints hold their weights."""

_LOCK = threading.RLock()  # all threads share torch's list

Entry = tuple[Any, str]
"""A stand-in, and the name that files know it by."""


class FileKind(NamedTuple):
    """A kind of file that is read with the closed list, for messages.

    Attributes:
        name: What the file should be.
        remedy: What to do with one that holds other types; ``KEY`` stands for where its weights
            are.
    """

    name: str
    remedy: str


def is_protected() -> bool:
    """Return whether torch refuses unknown types by default, as it does since 2.6."""
    import torch

    return tuple(map(int, torch.__version__.split('.')[:2])) >= (2, 6)


# Errors of torch's unpickler on a truncated file, or on one that is not a pickle.
_BROKEN_PICKLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


@contextlib.contextmanager
def guarded(name: str, kind: FileKind, more: Sequence[Entry] = ()) -> Iterator[None]:
    """Put the stand-ins on torch's list, and raise the errors of a file as a UserError.

    Args:
        name: The file, for messages.
        kind: What the file should be.
        more: Further stand-ins, for this file alone.
    """
    if not is_protected():
        yield
        return
    from torch import serialization

    with _LOCK:
        stand_ins = [*_stand_ins(), *more]
        names = {name for _, name in stand_ins}
        # A user's own additions stay on the list, unless they have the name of a stand-in.
        displaced = [entry for entry in serialization.get_safe_globals() if _name(entry) in names]
        _change_list(remove=displaced, add=stand_ins)
        try:
            yield
        except UnpicklingError as error:
            raise UserError(_refusal(name, kind, error)) from error
        except _BROKEN_PICKLE as error:
            if not os.path.isfile(name) or 'CUDA' in str(error):
                raise  # an error of an address or a device, not of the file
            raise UserError(_refusal(name, kind, error)) from error
        finally:
            _change_list(remove=stand_ins, add=displaced)


def _change_list(remove: list, add: list) -> None:
    from torch import serialization

    kept = [entry for entry in serialization.get_safe_globals() if entry not in remove]
    serialization.clear_safe_globals()
    serialization.add_safe_globals([*kept, *add])


def _name(entry: Any) -> str:
    if isinstance(entry, tuple):
        return entry[1]
    return f'{entry.__module__}.{entry.__qualname__}'


def _refusal(name: str, kind: FileKind, error: Exception) -> str:
    """Return in one line why a file is not read."""
    message = str(error) or type(error).__name__
    unsafe = re.findall(r'GLOBAL (\S+)', message)
    if unsafe:
        with contextlib.suppress(UnpicklingError, OSError, *_BROKEN_PICKLE):
            from torch.serialization import get_unsafe_globals_in_checkpoint

            unsafe = sorted(get_unsafe_globals_in_checkpoint(name)) or unsafe
        return (
            f'{name} needs types that are not known to be safe: {", ".join(unsafe)}; nothing in it '
            f'was executed. {kind.remedy.replace("KEY", repr(_weights_key(name)))}'
        )
    for mark, archive in (('TorchScript', 'a TorchScript archive'), ('.tar', 'a tar archive')):
        if mark in message:
            return f'{name} is {archive}, not a {kind.name}; save the state_dict with torch.save'
    if 'Unsupported operand' in message:
        message = 'or it was saved with another pickle protocol than 2'
    content = _content(name)
    if content:
        return f'{name} is no {kind.name}: it is {content}'
    reason = message.rpartition('WeightsUnpickler error: ')[2].strip().splitlines()[0]
    return f'{name} is damaged or not a {kind.name} ({reason})'


def _content(name: str) -> str:
    """Return what a file is, if its first bytes are those of something else than a pickle."""
    if not os.path.isfile(name):
        return ''
    with open(name, 'rb') as file:
        kind = describe_content(file.read(64))
    return '' if 'torch.save writes' in kind or kind == 'a pickle' else kind


def _weights_key(name: str) -> str:
    """Return the key under which a checkpoint seems to hold its weights."""
    content = b''
    broken = (OSError, zipfile.BadZipFile, zlib.error, *_BROKEN_PICKLE)
    with contextlib.suppress(*broken), zipfile.ZipFile(name) as archive:
        (path,) = (path for path in archive.namelist() if path.endswith('/data.pkl'))
        with archive.open(path) as file:
            content = file.read(65536)
    found = [key for key in WEIGHTS if _as_pickled(key) in content]
    return (found or WEIGHTS)[0]


def _as_pickled(text: str) -> bytes:
    """Return a short text as an entry of a pickle (the opcode BINUNICODE)."""
    return b'X' + struct.pack('<I', len(text)) + text.encode()


def refuse(request: str) -> NoReturn:
    """Refuse the request of a file to a stand-in, as torch refuses an unknown type."""
    raise UnpicklingError(f'Unsupported GLOBAL {request}')


class _Number:
    """Stand-in for ``numpy.dtype``: a type of plain numbers."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        self.code = code
        self.value: Any = None

    def __setstate__(self, state: tuple) -> None:
        import numpy as np

        plain = isinstance(self.code, str) and re.fullmatch(r'b1|[iufc]\d+', self.code)
        if not plain or state[1] not in ('<', '>', '|', '=') or state[2:5] != (None, None, None):
            refuse(f'numpy.dtype({self.code})')
        self.value = np.dtype(self.code).newbyteorder(state[1])


class _Array:
    """Stand-in for ``numpy.ndarray``: an array made from its bytes."""

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, number, fortran, data = state
        self.value = _from_bytes(number, shape, data, 'F' if fortran else 'C')


def _from_bytes(number: Any, shape: Any, data: Any, order: Any = 'C') -> Any:
    import numpy as np

    if not isinstance(number, _Number) or not isinstance(data, bytes):
        refuse('numpy.ndarray(objects)')
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f'an array of shape {shape}')
    if math.prod(shape) * number.value.itemsize != len(data):
        raise ValueError(f'an array of shape {shape} in {len(data)} bytes')
    return np.frombuffer(data, number.value).reshape(shape, order=order).copy(order='K')


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> _Array:
    """Stand-in for ``numpy.core.multiarray._reconstruct``: an array that is not filled yet."""
    if kind is not _Array:
        refuse(f'numpy.core.multiarray._reconstruct({getattr(kind, "__name__", kind)})')
    return _Array()


def _scalar(number: Any, data: Any) -> Any:
    """Stand-in for ``numpy.core.multiarray.scalar``."""
    return _from_bytes(number, (), data)[()]


def _empty_bytes() -> bytes:
    """Stand-in for ``builtins.bytes``."""
    return b''


@functools.lru_cache(maxsize=1)
def _stand_ins() -> list[Entry]:
    """Return the stand-ins, each with the name that files know it by."""
    from mmengine.config import ConfigDict
    from mmengine.logging import HistoryBuffer

    class History(HistoryBuffer):
        """Stand-in for ``HistoryBuffer``; becomes one when its state has been checked."""

        def __init__(self) -> None:
            pass

        def __setstate__(self, state: dict) -> None:
            values: list[Any] = [state.get(name) for name in ('_log_history', '_count_history')]
            if len(state) != 4 or not all(isinstance(value, _Array) for value in values):
                refuse(f'HistoryBuffer({",".join(map(str, state))})')
            for name, method in state['statistics_methods'].items():
                if name not in STATISTICS or method is not getattr(HistoryBuffer, name):
                    refuse(f'HistoryBuffer.statistics({name})')
            self.max_length = int(state['max_length'])
            self._log_history, self._count_history = (value.value for value in values)
            self.__class__ = HistoryBuffer  # type: ignore[assignment]
            self._set_default_statistics()

    def statistic(owner: Any, name: Any) -> Callable:
        """Stand-in for ``builtins.getattr``."""
        if owner is not History or name not in STATISTICS:
            refuse(f'builtins.getattr({getattr(owner, "__name__", owner)}.{name})')
        return getattr(HistoryBuffer, name)

    def config_dict(content: Any) -> ConfigDict:
        """Stand-in for ``ConfigDict``: one with plain content."""
        if not isinstance(content, dict):
            refuse(f'mmengine.config.config.ConfigDict({type(content).__name__})')
        return ConfigDict(content)

    stand_ins: list[Entry] = [
        (statistic, 'builtins.getattr'),
        (config_dict, 'mmengine.config.config.ConfigDict'),
        (_empty_bytes, 'builtins.bytes'),
        (History, 'mmengine.logging.history_buffer.HistoryBuffer'),
        (_Number, 'numpy.dtype'),
        (_Array, 'numpy.ndarray'),
    ]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        stand_ins += [(_reconstruct, f'{module}._reconstruct'), (_scalar, f'{module}.scalar')]
    return stand_ins


def finish(value: Any, done: Optional[dict[int, Any]] = None) -> Any:
    """Replace stand-ins by their arrays, within lists, tuples and dictionaries."""
    done = {} if done is None else done
    if isinstance(value, (_Array, _Number)):
        return value.value
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, (dict, list)):
        done[id(value)] = value
        for key in range(len(value)) if isinstance(value, list) else value:
            value[key] = finish(value[key], done)
    elif type(value) is tuple:
        done[id(value)] = tuple(finish(item, done) for item in value)
        return done[id(value)]
    return value
