"""Compilation of inner loops with Numba."""

from typing import Any, Callable

import numba


def jit(function: Callable) -> Any:
    """Compile a function on its first call, release the GIL in it, and cache the compiled code.

    Numba caches beside the source file or, where that folder cannot be written, in the user's cache
    folder. Without either, every process compiles anew.
    """
    try:
        return numba.njit(function, cache=True, nogil=True, error_model='numpy')
    except RuntimeError:  # there is no folder for the cache
        return numba.njit(function, nogil=True, error_model='numpy')
