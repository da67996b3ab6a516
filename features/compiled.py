"""Compilation to machine code, with the types kept."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function compiled by numba at its first call and kept on disk where the folder can be written.

    While it runs, other threads of Python may.
    """
    return cast(Function, numba.njit(cache=True, nogil=True)(function))
