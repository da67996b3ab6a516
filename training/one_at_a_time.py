"""One training at a time in a workspace, so that whatever another one left unfinished is known to be abandoned."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import TrainingError

FILE = "training.lock"


class AlreadyTrainingError(TrainingError):
    """Another process is training in this workspace."""


@contextmanager
def training_alone(workspace: Path) -> Iterator[None]:
    """Holds the workspace's training lock; the system lets go of it however the process ends.

    Raises
    ------
    AlreadyTrainingError
    """
    descriptor = os.open(workspace / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode() or "unknown"
        os.close(descriptor)
        raise AlreadyTrainingError(f"workspace {workspace}: process {holder} is training, try again later") from error
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
