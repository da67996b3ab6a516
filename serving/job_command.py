"""The process of one job: ``python -m serving.job_command JOB_ID``."""

import os
import sys
from pathlib import Path

from msgspec.structs import replace

from features.settings import read_settings
from features.store import open_store
from serving.jobs import DONE, FAILED, RUNNING, Job, holding, read_job, write_job

LESS_URGENT = 10
"""Than answering requests."""


def main(job_id: str) -> None:
    """Do the job, unless it is done or another process does it."""
    os.nice(LESS_URGENT)
    settings = read_settings()
    workspace = settings.workspace.absolute()
    with holding(workspace, job_id) as is_ours:
        job = read_job(workspace, job_id)
        if not is_ours or job is None or job.state != RUNNING:
            return
        try:
            write_job(workspace, _done(workspace, settings.database_url, job))
        except Exception as error:
            write_job(workspace, replace(job, state=FAILED, error=_why(error)))
            raise


def _done(workspace: Path, database_url: str | None, job: Job) -> Job:
    from serving.plan_command import make

    store = open_store(workspace, database_url)
    try:
        report = make(store, job.terms, Path(job.file), lambda _what, _done, _of: None)
    finally:
        store.close()
    return replace(job, state=DONE, customers=report.customers, offers=report.offers)


def _why(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"plans need {error.name}, which is not installed here: install lagniappe[train]"
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main(sys.argv[1])
