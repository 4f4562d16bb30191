"""Compilation of the inner loops."""

from typing import Any, Callable

import numba


def jit(function: Callable) -> Any:
    """Compile ``function`` on its first call, without the GIL, and keep the result on disk.

    Numba keeps it beside the source or, where that cannot be written, in the user's cache folder;
    where there is neither, every process compiles anew.
    """
    try:
        return numba.njit(function, cache=True, nogil=True, error_model='numpy')
    except RuntimeError:  # no folder to keep it in
        return numba.njit(function, nogil=True, error_model='numpy')
