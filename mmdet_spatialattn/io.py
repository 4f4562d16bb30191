"""Files that are whole or absent, and JSON that is read with a clear error."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional, Union

from .errors import UserError

PathLike = Union[str, Path]


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Give a temporary path that replaces ``path`` when the block ends without an error.

    Raises:
        UserError: The folder of ``path`` cannot be made or written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f'.{path.name}.', suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise UserError(f'cannot write {path}: {error.strerror}') from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: PathLike) -> Iterator[Path]:
    """Give an empty folder that becomes ``path`` when the block ends without an error.

    It stands beside ``path`` under a fixed hidden name, so that what a killed run left of it goes
    with the next one.

    Raises:
        UserError: ``path`` exists and is no empty folder, or something cannot be written.
    """
    path = Path(path).resolve()
    temporary = path.with_name(f'.{path.name}.partial')
    try:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise UserError(f'cannot write {path}: it is there already; give a new folder')
        path.parent.mkdir(parents=True, exist_ok=True)
        if temporary.exists():
            shutil.rmtree(temporary)
        temporary.mkdir()
        yield temporary
        if path.is_dir():
            path.rmdir()
        temporary.rename(path)
    except OSError as error:
        raise UserError(f'cannot write {path}: {error.strerror}') from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: PathLike, data: Any, indent: Optional[int] = 1) -> None:
    """Write ``data`` as JSON, atomically; keys keep their order.

    ``indent=None`` writes one line, many times faster: for data that nobody reads by eye.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(data, indent=indent) + '\n', encoding='utf-8')


def read_json(path: PathLike) -> Any:
    """Read a JSON file.

    Raises:
        UserError: The file is absent, unreadable, or not JSON; the message names it and the place.
    """
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise UserError(f'cannot read {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise UserError(f'{path} is not JSON: not UTF-8 text') from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 4,300 digits
        raise UserError(f'{path} is not JSON: {error}') from error


def differences(found: Any, wanted: dict[str, Any]) -> str:
    """Say where what a file holds differs from what was wanted; empty when it does not.

    Example:
        >>> differences({'seed': 1, 'size': 160}, {'seed': 0, 'size': 160})
        'seed 1 and not 0'
    """
    found = found if isinstance(found, dict) else {}
    differing = (key for key, value in wanted.items() if found.get(key) != value)
    return ', '.join(f'{key} {found.get(key)} and not {wanted[key]}' for key in differing)
