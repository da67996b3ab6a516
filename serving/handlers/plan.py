"""``/plan`` and ``/job``: decisions for everybody of a brand, made by a process beside the service."""

import asyncio
from importlib.util import find_spec

import msgspec

from features.instant import to_iso
from features.money import to_money
from serving.application import Application
from serving.errors import BadRequestError, ConflictError, NotFoundError
from serving.jobs import DONE, MODULE, Job, begin_job, job_now
from serving.plan import PlanTerms
from serving.schemas import JobAnswer, JobRequest, PlanAnswer, PlanRequest, decoded, parsed_instant

NO_PLANS = "not_installed"
READS_HISTORY = "duckdb"
MAILING_CHANNELS = ("email", "push", "sms")
_PLAN, _JOB = msgspec.json.Decoder(PlanRequest), msgspec.json.Decoder(JobRequest)


async def plan(application: Application, body: bytes) -> bytes:
    asked = decoded(_PLAN, body)
    terms = _terms(asked, application.brand_of(asked.brand))
    if not (find_spec(MODULE) and find_spec(READS_HISTORY)):
        raise BadRequestError(f"plans need {READS_HISTORY}: install lagniappe[train] beside the service", code=NO_PLANS)
    job = await asyncio.to_thread(begin_job, application.store.workspace, terms)
    if job.terms != terms:
        known = f"there is a plan of that name with other terms, as of {to_iso(job.terms.as_of)}"
        raise ConflictError(known, field="name")
    return msgspec.json.encode(PlanAnswer(job.job_id))


async def job(application: Application, body: bytes) -> bytes:
    asked = decoded(_JOB, body)
    found = await asyncio.to_thread(job_now, application.store.workspace, asked.job_id)
    if found is None or asked.brand not in (None, found.terms.brand):
        raise NotFoundError("there is no such job", field="job_id")
    return msgspec.json.encode(_told(found))


def _terms(asked: PlanRequest, brand: str) -> PlanTerms:
    as_of = parsed_instant(asked.as_of, "as_of") or 0
    return PlanTerms(
        brand=brand,
        name=asked.name or f"plan of {to_iso(as_of)}",
        as_of=as_of,
        channels=tuple(dict.fromkeys(asked.channels or MAILING_CHANNELS)),
        budget=None if asked.budget is None else to_money(asked.budget),
    )


def _told(found: Job) -> JobAnswer:
    return JobAnswer(
        job_id=found.job_id,
        state=found.state,
        file=found.file if found.state == DONE else None,
        error=found.error,
        customers=found.customers,
        offers=found.offers,
    )
