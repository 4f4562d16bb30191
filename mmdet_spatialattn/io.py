"""Files that are written whole or not at all, and JSON that is read with a clear error."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional, Union

from .errors import UserError, cannot_read

PathLike = Union[str, Path]


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Give a temporary path that replaces ``path`` when the block ends without an error.

    Raises:
        UserError: The folder of ``path`` cannot be created or written.
    """
    path = Path(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f'.{path.name}.', suffix=path.suffix, dir=path.parent
        )
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

    It stands beside ``path`` under a fixed hidden name, so that the next call removes what a
    killed process left of it.

    Raises:
        UserError: ``path`` exists and is not an empty folder, or cannot be written.
    """
    path = Path(path).resolve()
    temporary = path.with_name(f'.{path.name}.partial')
    try:
        with _writing(path):
            if path.exists() and not is_empty_folder(path):
                raise UserError(f'cannot write {path}: it exists already; give a new folder')
            path.parent.mkdir(parents=True, exist_ok=True)
            if temporary.exists():
                shutil.rmtree(temporary)
            temporary.mkdir()
        yield temporary
        with _writing(path):
            if path.is_dir():
                path.rmdir()
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_empty_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder without content."""
    return path.is_dir() and not any(path.iterdir())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, with its folder.

    Raises:
        UserError: It cannot be written.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@contextlib.contextmanager
def _writing(path: PathLike) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f'cannot write {path}: {error.strerror}') from error


def write_json(path: PathLike, data: Any, indent: Optional[int] = 1) -> None:
    """Write ``data`` as JSON, atomically; keys keep their order.

    ``indent=None`` writes one line, which is many times faster, for data that nobody reads by eye.

    Raises:
        UserError: The file cannot be written.
    """
    with atomic_path(path) as temporary, _writing(path):
        temporary.write_text(json.dumps(data, indent=indent) + '\n', encoding='utf-8')


def read_json(path: PathLike) -> Any:
    """Read a JSON file.

    Raises:
        MissingFile: The file does not exist.
        UserError: It cannot be read or is not JSON; the message names the file and the position.
    """
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise cannot_read(path, error) from error
    except UnicodeDecodeError as error:
        raise UserError(f'{path} is not JSON: not UTF-8 text') from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 4,300 digits
        raise UserError(f'{path} is not JSON: {error}') from error


def content_hash(path: PathLike) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a file.

    Raises:
        UserError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as error:
        raise cannot_read(path, error) from error
    return digest.hexdigest()[:16]


def differences(stored: Any, expected: dict[str, Any]) -> str:
    """Return how stored values differ from the expected ones; empty when they do not.

    Example:
        >>> differences({'seed': 1, 'size': 160}, {'seed': 0, 'size': 160})
        'seed 1 instead of 0'
    """
    stored = stored if isinstance(stored, dict) else {}
    return ', '.join(
        f'{key} {stored.get(key)} instead of {value}'
        for key, value in expected.items()
        if stored.get(key) != value
    )
