"""The one error type for a user's mistake, the nearest right name, and optional packages."""

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class UserError(ValueError):
    """A mistake in what the user gave: commands print it in one line and exit with 2.

    The message names the value, what was expected and the remedy. It is built from one string,
    because mmengine's registry raises errors of the same type again with a longer message.
    """


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
    """Import a package that only an extra of this one brings.

    Raises:
        UserError: It is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"this needs {module.partition('.')[0]}: pip install 'mmdet_spatialattn[{extra}]'"
        ) from error
