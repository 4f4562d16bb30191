"""Files that are written whole or not at all, and JSON that is read with a clear error."""

import codecs
import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional, Union

from .errors import UserError, cannot_read

PathLike = Union[str, Path]


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Give a temporary path that replaces ``path`` when the block ends without an error.

    Raises:
        UserError: The folder of ``path`` cannot be created or written, or ``path`` is a folder.
    """
    path = Path(path)
    with writing(path):
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
        with writing(path):
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
    with writing(path):
        path = Path(path).resolve()
    temporary = path.with_name(f'.{path.name}.partial')
    try:
        with writing(path):
            if path.exists() and not is_empty_folder(path):
                raise UserError(f'cannot write {path}: it exists already; give a new folder')
            path.parent.mkdir(parents=True, exist_ok=True)
            if temporary.exists():
                shutil.rmtree(temporary)
            temporary.mkdir()
        yield temporary
        with writing(path):
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
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@contextlib.contextmanager
def writing(path: PathLike) -> Iterator[None]:
    """Turn the errors of the system about a path that is written into a :class:`UserError`."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'cannot write {path!s:.200}: {reason}') from error


def write_json(path: PathLike, data: Any, indent: Optional[int] = 1) -> None:
    """Write ``data`` as JSON, atomically; keys keep their order.

    ``indent=None`` writes one line, which is many times faster, for data that nobody reads by eye.

    Raises:
        UserError: The file cannot be written.
    """
    with atomic_path(path) as temporary, writing(path):
        temporary.write_text(json.dumps(data, indent=indent) + '\n', encoding='utf-8')


def read_json(path: PathLike) -> Any:
    """Read a JSON file.

    It may be compressed with gzip, and its text may be UTF-16 with a byte order mark.

    Raises:
        MissingFile: The file does not exist.
        UserError: It cannot be read or is not JSON; the message names the file and the position.
    """
    data = read_bytes(path)
    if data.startswith(_GZIP):
        data = _decompressed(data, path)
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), 'utf-8')
    try:
        return json.loads(data.decode(encoding))
    except UnicodeDecodeError as error:
        kind = describe_content(data)
        what = f'it is {kind}' if kind else 'not UTF-8 text'
        raise UserError(f'{path} is not JSON: {what}') from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 4,300 digits
        kind = describe_content(data)
        what = f'it is {kind}' if kind else str(error)
        if what.startswith('Extra data'):
            what += '; if it holds a value per line (JSON Lines), write them as one list'
        raise UserError(f'{path} is not JSON: {what}') from error


_GZIP = b'\x1f\x8b'

_MARKS = {
    codecs.BOM_UTF8: 'utf-8-sig',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}
"""Encodings of texts by the byte order marks that they begin with."""

_FIRST_BYTES = {
    b'version https://git-lfs': 'a pointer of Git LFS, without the content: git lfs pull',
    b'<!doctype html': 'a web page, such as the error page of a download',
    b'<html': 'a web page, such as the error page of a download',
    b'<?xml': 'an XML file',
    b'%pdf': 'a PDF file',
    b'\x89hdf': 'an HDF5 file',
    b'pk\x03\x04': 'a ZIP archive, as torch.save writes',
    b'\x80': 'a pickle',
    _GZIP: 'a gzip archive',
    b'rar!': 'a RAR archive',
    b'\xff\xd8\xff': 'a JPEG image',
    b'\x89png': 'a PNG image',
}


def describe_content(data: bytes) -> str:
    """Return what a file is by its first bytes; empty where that is not known.

    Example:
        >>> describe_content(b'<!DOCTYPE html><html>')
        'a web page, such as the error page of a download'
    """
    if not data:
        return 'empty'
    if data[8:10] == b'{"' and int.from_bytes(data[:8], 'little') < 2**30:
        return 'a safetensors file: read it with safetensors, and write it with torch.save'
    start = data[:64].lstrip().lower()
    known = (kind for mark, kind in _FIRST_BYTES.items() if start.startswith(mark))
    return next(known, '')


def read_bytes(path: PathLike) -> bytes:
    """Return the content of a file.

    Raises:
        MissingFile: The file does not exist.
        UserError: It cannot be read, or is a pipe or a device, which might never end.
    """
    try:
        require_file(path)
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise cannot_read(path, error) from error


def require_file(path: PathLike) -> None:
    """Check that what is at a path can be read to its end.

    Raises:
        UserError: It is a pipe, a socket or a device.
        OSError: There is nothing at the path.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UserError(f'{path} is a pipe, a socket or a device; expected a file')


LARGEST_EXPANSION = 200
"""Factor by which a compressed file may grow, above 64 MiB; JSON grows by 30 at most."""


def _decompressed(data: bytes, path: PathLike) -> bytes:
    """Return the content of a gzip file, unless it would fill the memory."""
    limit = max(LARGEST_EXPANSION * len(data), 2**26)
    reader = zlib.decompressobj(wbits=31)
    try:
        content = reader.decompress(data, limit)
    except zlib.error as error:
        raise UserError(f'{path} is a damaged gzip file: {error}') from error
    if reader.unconsumed_tail:
        raise UserError(
            f'{path} grows more than {LARGEST_EXPANSION} times when it is decompressed, as no JSON '
            'does; decompress it by hand if you trust it'
        )
    if not reader.eof:
        raise UserError(f'{path} is a damaged gzip file: it ends early')
    return content


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a file that one process holds at a time; it is freed when the process ends.

    Args:
        path: The file, which is created with its folder.
        on_wait: Called once if another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with open(path, 'ab') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            on_wait()
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
    except (OSError, ValueError) as error:
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
