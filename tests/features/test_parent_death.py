"""A child whose parent is killed, and so cannot stop it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from features.parent_death import ending_with_us

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
LASTING = [sys.executable, "-c", "import time; print('at work', flush=True); time.sleep(60)"]
PARENT = f"""
import subprocess, time
from features.parent_death import ending_with_us
child = subprocess.Popen(ending_with_us({LASTING!r}))
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        first, second = parent.stdout.readline(), parent.stdout.readline()
        child = int(first if first.strip().isdigit() else second)

        parent.kill()

    assert has_ended(child)


def test_a_child_whose_parent_is_gone_already_does_not_begin() -> None:
    _, *of_another_parent = ending_with_us(LASTING)
    of_another_parent[2] = "1"

    done = subprocess.run([sys.executable, *of_another_parent], capture_output=True, text=True, timeout=30)

    assert done.stdout == ""


def test_a_command_runs_as_it_is_under_a_living_parent() -> None:
    done = subprocess.run(ending_with_us([sys.executable, "-c", "print('done'); exit(3)"]), capture_output=True)

    assert (done.stdout, done.returncode) == (b"done\n", 3)


def has_ended(pid: int) -> bool:
    """Ended, or waiting for the init process to hear of it."""
    status = Path(f"/proc/{pid}/status")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if not status.exists() or "State:\tZ" in status.read_text():
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False
