"""Plans over HTTP: a process beside the service, that may be killed at any moment."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from features.catalogue import upsert_offers
from features.entities import Offer, OfferKind
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.money import to_money
from features.store import open_store
from serving import jobs
from serving.jobs import FAILED, begin_job, holding, job_id_of, job_now, read_job, write_job
from serving.plan import PlanTerms
from serving.service import Lagniappe
from tests.serving.conftest import Client

NIGHT = parse("2026-01-05T22:00:00")
CUSTOMERS = 40
PATIENCE_SECONDS = 120


def filled(folder: Path) -> Path:
    store = open_store(folder)
    bought = [
        Event(event_id=f"b{n}", type=EventType.PURCHASE, occurred_at=NIGHT - MICROSECONDS_PER_DAY,
              customer_id=f"c{n}", amount=500_000) for n in range(CUSTOMERS)
    ]  # fmt: skip
    with store.writing() as connection:
        upsert_offers(connection, [Offer(offer_id="tenth", kind=OfferKind.DISCOUNT_PERCENT, value=2.0)], NIGHT)
        append(connection, bought, NIGHT, lake=store.lake)
    store.close()
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return filled(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def client(served: Path, client_of: Callable[[Any], Client]) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAGNIAPPE_WORKSPACE", str(served))
        service: Any = Lagniappe
        yield client_of(service.to_asgi())


def over(workspace: Path, job_id: str) -> jobs.Job:
    """The job once it is over, nobody asking after it meanwhile."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE_SECONDS:
        found = read_job(workspace, job_id)
        assert found is not None
        if found.state != jobs.RUNNING:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not over after {PATIENCE_SECONDS} s")


def terms(name: str = "january", **changed: Any) -> PlanTerms:
    return PlanTerms(**{"brand": "default", "name": name, "as_of": NIGHT, "channels": ("email",), **changed})


def test_a_plan_is_begun_asked_after_and_found_in_its_file(client: Client, served: Path) -> None:
    asked = {"as_of": "2026-01-05T22:00:00", "channels": ["email"], "name": "january"}

    job_id = client.post("/plan", **asked)["job_id"]
    again = client.post("/plan", **asked)["job_id"]
    over(served, job_id)
    told = client.post("/job", job_id=job_id)

    assert again == job_id
    assert (told["state"], told["error"], told["customers"]) == ("done", None, CUSTOMERS)
    assert duckdb.sql(f"SELECT count(*) FROM '{told['file']}'").fetchone() == (CUSTOMERS,)
    other = client.ask("POST", "/plan", json={**asked, "channels": ["sms"]})
    assert (other.status_code, other.json()["error"]["field"]) == (409, "name")


def test_a_job_that_nobody_began_is_not_found(client: Client) -> None:
    for job_id in ("plan-0000", "../../etc/passwd", "."):
        assert client.ask("POST", "/job", json={"job_id": job_id}).status_code == 404


def test_a_plan_of_no_time_is_refused(client: Client) -> None:
    answer = client.ask("POST", "/plan", json={"as_of": "tonight"})

    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "as_of")


def test_a_job_whose_process_was_killed_is_taken_up_by_who_asks(workspace: Path) -> None:
    begun = begin_job(workspace, terms())
    killed = _kill_when_it_works(workspace, begun.job_id)

    after = job_now(workspace, begun.job_id)
    done = over(workspace, begun.job_id)

    assert killed
    assert after is not None
    assert (after.state, done.state, done.customers) == (jobs.RUNNING, jobs.DONE, CUSTOMERS)


def _kill_when_it_works(workspace: Path, job_id: str) -> bool:
    """``kill -9``, once the process holds its lock."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE_SECONDS:
        with holding(workspace, job_id) as is_free:
            pass
        if not is_free:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    called = (process / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if jobs.MODULE.encode() in called and job_id.encode() in called:
                    os.kill(int(process.name), signal.SIGKILL)
                    time.sleep(0.2)
                    return True
        time.sleep(0.005)
    return False


def test_a_job_that_failed_says_why_and_is_tried_again(workspace: Path) -> None:
    begun = begin_job(workspace, terms(budget=to_money(1.0)))
    over(workspace, begun.job_id)
    wrong = terms(budget=to_money(2.0))  # the plan of that name has other terms in the store
    failing = jobs.Job(job_id=job_id_of(wrong), state=FAILED, terms=wrong, file=begun.file, error="it was night")
    write_job(workspace, failing)

    begin_job(workspace, wrong)
    failed = over(workspace, failing.job_id)

    assert failed.state == FAILED
    assert failed.error is not None
    assert "there is a plan of that name" in failed.error
    assert json.loads((workspace / "jobs" / f"{failing.job_id}.json").read_text())["state"] == FAILED
