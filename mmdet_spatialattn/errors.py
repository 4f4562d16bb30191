"""Errors for a user's mistakes, the nearest known name, and optional packages."""

import contextlib
import difflib
import importlib
from collections.abc import Iterable, Iterator
from types import ModuleType


class UserError(Exception):
    """A mistake in the user's input: commands print it in one line and exit with code 2.

    The message says what was given, what was expected, and what to do. Every error of this kind
    takes one string, because other code (data loaders, the registry in some releases of MMEngine)
    raises an error again as ``type(error)(message)``.
    """


class MissingExtra(UserError, ImportError):
    """A package that an extra of this one installs is not installed."""


class MissingFile(UserError, FileNotFoundError):
    """A file or a folder that the user named does not exist."""


def cannot_read(path: object, error: Exception) -> UserError:
    """Return the error to raise for a file that cannot be read: ``MissingFile`` for an absent one.

    Example:
        >>> cannot_read('a.json', FileNotFoundError(2, 'No such file or directory'))
        MissingFile('cannot read a.json: No such file or directory')
    """
    kind = MissingFile if isinstance(error, FileNotFoundError) else UserError
    return kind(f'cannot read {path}: {getattr(error, "strerror", None) or error}')


@contextlib.contextmanager
def error_prefix(prefix: str) -> Iterator[None]:
    """Put a prefix before the message of a :class:`UserError` that the block raises.

    Example:
        >>> with error_prefix("arm 'wide'"):
        ...     raise UserError('no config at wide.py')
        Traceback (most recent call last):
        mmdet_spatialattn.errors.UserError: arm 'wide': no config at wide.py
    """
    try:
        yield
    except UserError as error:
        raise type(error)(f'{prefix}: {error}') from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'X'?"`` for the nearest of the known names, else an empty string.

    Example:
        >>> did_you_mean('CBMA', ['SE', 'CBAM'])
        "; did you mean 'CBAM'?"
    """
    by_lower = {known_name.lower(): known_name for known_name in known}
    nearest = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    return f"; did you mean '{by_lower[nearest[0]]}'?" if nearest else ''


def require(module: str, extra: str) -> ModuleType:
    """Import a module of a package that only an extra of this package installs.

    Raises:
        MissingExtra: It is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"this needs {module.partition('.')[0]}: pip install 'mmdet_spatialattn[{extra}]'"
        ) from error
