"""Processes that do not outlive the one that started them, even where that was killed and could tell nobody.

The kernel tells them, which only Linux does; elsewhere they run as they would without this.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
"""See prctl(2)."""


def ending_with_us(command: Sequence[str]) -> list[str]:
    """The command, told to end (SIGTERM) once the thread that starts it is gone, or this process is by then."""
    return [sys.executable, "-IS", __file__, str(os.getpid()), *command]


def end_with_parent() -> None:
    """Have this process told to end (SIGTERM) once its parent is gone; to be called in its longest living thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _become(parent: int, command: list[str]) -> None:
    end_with_parent()
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 — no shell is wanted


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
