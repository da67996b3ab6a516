"""Long work that a call begins and another asks after: its state is a file, and a process of its own does it.

The process holds a lock for as long as it lives. A job that is not over and whose lock is free lost its process, be it
by ``kill -9`` or with the machine; whoever asks after it starts it again, and a plan goes on where it stopped.
"""

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from serving.plan import PlanTerms

RUNNING, DONE, FAILED = "running", "done", "failed"
_ROOT = Path(__file__).resolve().parent.parent
MODULE = "serving.job_command"
JOBS = "jobs"
"""The folder of the workspace that they are in."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """``file`` is where the plan is written; ``error`` says why a job failed."""

    job_id: str
    state: str
    terms: PlanTerms
    file: str
    error: str | None = None
    customers: int | None = None
    offers: int | None = None


_decode = msgspec.json.Decoder(Job).decode


def job_id_of(terms: PlanTerms) -> str:
    """The same for the same brand and name."""
    return terms.prefix.removesuffix("-")


def begin_job(workspace: Path, terms: PlanTerms) -> Job:
    """The job of these terms, begun unless it was before; one that failed is tried again.

    A job of that name with other terms is returned as it is: the caller compares.
    """
    job_id = job_id_of(terms)
    known = read_job(workspace, job_id)
    if known is None or (known.state == FAILED and known.terms == terms):
        known = Job(job_id=job_id, state=RUNNING, terms=terms, file=str(_file(workspace, job_id, ".parquet")))
        write_job(workspace, known)
    return _attended(workspace, known)


def job_now(workspace: Path, job_id: str) -> Job | None:
    """The job as it stands; one whose process is gone is begun again."""
    known = read_job(workspace, job_id)
    return None if known is None else _attended(workspace, known)


def read_job(workspace: Path, job_id: str) -> Job | None:
    path = _file(workspace, job_id, ".json")
    if not job_id.replace("-", "").isalnum():
        return None
    try:
        return _decode(path.read_bytes())
    except FileNotFoundError:
        return None


def write_job(workspace: Path, job: Job) -> None:
    """Whole, or not at all."""
    path = _file(workspace, job.job_id, ".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished")
    with unfinished.open("wb") as file:
        file.write(msgspec.json.encode(job))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


@contextmanager
def holding(workspace: Path, job_id: str) -> Iterator[bool]:
    """Whether the lock of a job could be had; it is held until the end of the block, or of the process."""
    path = _file(workspace, job_id, ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _attended(workspace: Path, job: Job) -> Job:
    if job.state != RUNNING:
        return job
    with holding(workspace, job.job_id) as is_free:
        pass
    if is_free:
        _start(workspace, job.job_id)
    return job


def _start(workspace: Path, job_id: str) -> None:
    """In a session of its own, so that it outlives a service that is restarted; two at once do the work once."""
    with _file(workspace, job_id, ".log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - ourselves, with an id of our own making
            [sys.executable, "-m", MODULE, job_id],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "LAGNIAPPE_WORKSPACE": str(workspace)},
        )
    threading.Thread(target=process.wait, name=f"wait for {job_id}", daemon=True).start()


def _file(workspace: Path, job_id: str, ending: str) -> Path:
    return workspace / JOBS / f"{job_id}{ending}"
