"""The commands that the demo runs: each a process of its own, none of which outlives the demo."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from features.parent_death import ending_with_us
from training.demo.errors import DemoError

_LEFT_OUT = ("LAGNIAPPE_", "MLFLOW_TRACKING_URI")
"""The demo keeps to its own folder, whatever the environment names."""
_GRACE_SECONDS = 10.0
_LINES_SHOWN = 12


def command_line(arguments: Sequence[str]) -> list[str]:
    """The command ``lagniappe`` of this very installation."""
    return [sys.executable, "-m", "lagniappe", *arguments]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return {**kept, **(extra or {})}


def run_verb(arguments: Sequence[str], log: Path) -> Any:
    """The JSON document that a verb answers; whatever it says besides goes to the log.

    Raises
    ------
    DemoError
        If it fails.
    """
    with running(command_line([*arguments, "--json"]), log, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate()
    shown = f"lagniappe {' '.join(arguments)}"
    if process.returncode:
        raise DemoError(f"{shown} ended with status {process.returncode}", last_lines(log))
    try:
        return msgspec.json.decode(output)
    except msgspec.DecodeError as error:
        raise DemoError(f"{shown} did not answer with a JSON document: {error}", last_lines(log)) from error


@contextmanager
def running(command: Sequence[str], log: Path, *, stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A command at work in a session of its own; at the end it and all that it started are stopped."""
    with log.open("ab") as said:
        process = subprocess.Popen(  # noqa: S603 - our own command, put together here
            ending_with_us(command), stdout=stdout or said, stderr=said, env=environment(), start_new_session=True
        )
        try:
            yield process
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the process and its children to end, then make them."""
    for what in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, what)
        except ProcessLookupError:
            break
        if _has_ended(process.pid, process):
            break
    process.wait()


def _has_ended(group: int, process: "subprocess.Popen[bytes]") -> bool:
    """Whether nobody of the process group is left, waited for."""
    until = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < until:
        process.poll()
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def last_lines(log: Path) -> str:
    """The end of what was said, for whoever has to understand a failure."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join([line for line in lines if line.strip()][-_LINES_SHOWN:])
