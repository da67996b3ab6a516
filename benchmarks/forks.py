"""The same work for many numbers, by as many processes as there are cores."""

import multiprocessing
import os
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

_work: Callable[[int], object] | None = None
"""What the forks do: they inherit it, as a function with others in its scope cannot be sent to them."""


def in_processes(work: Callable[[int], Result], count: int) -> list[Result]:
    """``[work(0), ..., work(count - 1)]``."""
    global _work
    _work = work
    try:
        with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
            return pool.map(_done, range(count), chunksize=max(1, count // 20))  # type: ignore[arg-type]
    finally:
        _work = None


def _done(number: int) -> object:
    assert _work is not None
    return _work(number)
