"""A person who is forgotten: no byte of the id is left, the receipt says what went, and totals still add up."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import func, insert, select

from features.catalogue import upsert_customers, upsert_offers
from features.entities import Customer, Offer, OfferKind
from features.erasure import key_of
from features.errors import FieldError
from features.event_files import ingest_events
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.outgoing_schema import trigger_scans
from features.schema import brands, decisions, reservations
from features.settings import Settings
from features.store import Store, open_store
from features.vector import FINGERPRINT
from lagniappe import application as command
from serving.application import open_application
from serving.errors import NotFoundError
from serving.forgetting import Receipt, forget, signature_of
from serving.handlers.next_best_offer import next_best_offer
from serving.handlers.person_rights import export
from serving.handlers.person_rights import forget as forget_call
from serving.jobs import Job, holding, write_job
from serving.plan import PlanTerms
from training.registry import CHAMPION, deploy
from training.version_record import DataWindow, VersionRecord, write_record

NOW = parse("2025-11-22T10:00:00Z")
WHO, ALIAS, OTHER = "person-4f1c2a9d77", "card-holder-88ab01ff", "somebody-else-51d0"
NAMES = (WHO, ALIAS)


def fill(store: Store) -> None:
    """The person is in the lake, the log, the store, a plan's file, a quarantine, and a decision."""
    bulk = store.workspace / "bulk.csv"
    rows = [f"{who}-{n},purchase,{who},2025-10-{n + 1:02},5.00" for who in (WHO, OTHER) for n in range(5)]
    wrong = [f"bad-{who},purchase,{who},2025-10-01,nonsense" for who in (WHO, OTHER)]
    bulk.write_text("\n".join(["event_id,type,customer_id,occurred_at,amount", *rows, *wrong]) + "\n")
    ingest_events(store, [bulk], now=NOW)
    bulk.unlink()
    day = MICROSECONDS_PER_DAY
    later = [
        Event(event_id="a", type=EventType.PURCHASE, occurred_at=NOW - day, customer_id=ALIAS, amount=50_000),
        Event(event_id="m", type=EventType.CUSTOMER_MERGED, occurred_at=NOW - 5, customer_id=WHO,
              merged_customer_id=ALIAS),
        Event(event_id="s", type=EventType.MESSAGE_SENT, occurred_at=NOW - 4, customer_id=WHO, channel="email"),
    ]  # fmt: skip
    with store.writing() as connection:
        append(connection, later, NOW, lake=store.lake)
        upsert_customers(connection, [Customer(customer_id=who, attributes={"city": who}) for who in (WHO, OTHER)], NOW)
        scan = {"day": "2025-11-22", "after_customer": WHO, "previous_at": 0, "started_at": NOW, "is_finished": 0}
        connection.execute(insert(trigger_scans).values(brand="default", claimed_until=0, **scan))
        upsert_offers(connection, [Offer(offer_id="tenth", kind=OfferKind.DISCOUNT_PERCENT, value=2.0)], NOW)
        for number, until in (("1", NOW - 100 * day), ("2", NOW)):
            folder = store.models / number
            folder.mkdir(parents=True)
            window = DataWindow(0, until, 30, (), 0, 0, 0, 0)
            write_record(VersionRecord("churn", "default", FINGERPRINT, window, {}, {}, {}), folder)
            deploy(connection, "default", "churn", number, CHAMPION, None, f"{folder}", NOW, None)
    jobs = store.workspace / "jobs"
    jobs.mkdir()
    duckdb.sql(f"SELECT unnest(['{WHO}', '{OTHER}']) AS customer_id, 'tenth' AS offer_id").write_parquet(
        str(jobs / "plan-1.parquet")
    )
    service = open_application(Settings(workspace=store.workspace), lambda: NOW, "default")
    for who in (WHO, OTHER):
        for _ in range(3):
            asyncio.run(next_best_offer(service, json.dumps({"customer_id": who}).encode()))
    service.close()


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    store = open_store(tmp_path)
    fill(store)
    return store


def everything(workspace: Path) -> dict[Path, bytes]:
    """Every file's content, of Parquet what is in it."""
    return {
        file: repr(duckdb.sql(f"FROM '{file}'").fetchall()).encode() if file.suffix == ".parquet" else file.read_bytes()
        for file in workspace.rglob("*")
        if file.is_file()
    }


def naming(workspace: Path, *names: str) -> list[str]:
    found = everything(workspace)
    return sorted(str(file) for file, said in found.items() if any(name.encode() in said for name in names))


def test_no_byte_of_the_ids_is_left_and_others_stay(filled: Store) -> None:
    assert len(naming(filled.workspace, *NAMES)) >= 4

    receipt = forget(filled, "default", WHO, NOW + 10)

    filled.close()
    assert naming(filled.workspace, *NAMES) == []
    assert len(naming(filled.workspace, OTHER)) >= 4
    assert receipt.left == []


def test_a_customer_of_another_brand_with_the_same_id_is_not_touched(filled: Store) -> None:
    jobs = filled.workspace / "jobs"
    (jobs / "plan-1.parquet").rename(jobs / "plan-2.parquet")
    terms = PlanTerms(brand="second", name="p", as_of=NOW, channels=())
    write_job(filled.workspace, Job(job_id="plan-2", state="done", terms=terms, file="plan-2.parquet"))
    refused = filled.quarantine / "second-1.jsonl"
    refused.write_text(f'{{"brand": "second", "customer_id": "{WHO}"}}\n{{"customer_id": "{WHO}"}}\n')
    with filled.writing() as connection:
        connection.execute(insert(brands).values(brand="second", settings="{}", applied_at=NOW))

    receipt = forget(filled, "default", WHO, NOW + 10)

    assert "jobs/plan-2.parquet" not in receipt.files
    assert refused.read_text() == f'{{"brand": "second", "customer_id": "{WHO}"}}\n'


def test_what_a_job_that_died_was_writing_goes_and_what_is_being_written_is_named(filled: Store) -> None:
    dead, alive = (filled.workspace / "jobs" / f".plan-{number}.parquet.unfinished" for number in (3, 4))
    dead.write_bytes(WHO.encode())
    alive.write_bytes(WHO.encode())

    with holding(filled.workspace, "plan-4"):
        receipt = forget(filled, "default", WHO, NOW + 10)

    assert (dead.exists(), alive.exists()) == (False, True)
    assert [what for what in receipt.left if "plan-4" in what] == receipt.left != []


def test_the_nightly_look_goes_on_from_the_customer_before(filled: Store) -> None:
    forget(filled, "default", WHO, NOW + 10)

    with filled.reading() as connection:
        assert connection.execute(select(trigger_scans.c.after_customer)).scalar() < WHO


def test_the_receipt_says_what_went_and_is_signed(filled: Store) -> None:
    receipt = forget(filled, "default", WHO, NOW + 10)

    assert receipt.removed["events_in_bulk"] == 5
    assert receipt.removed["events"] >= 3
    assert {"profiles", "customers", "merges"} <= set(receipt.removed)
    assert receipt.pseudonymised["decisions"] == 3
    assert [file for file in receipt.files if "plan-1" in file] == ["jobs/plan-1.parquet"]
    assert any(file.startswith("quarantine/") for file in receipt.files)
    assert [(one.version, one.is_in_use) for one in receipt.models] == [("2", True)]
    assert receipt.retraining == "lagniappe train churn"
    key = key_of(filled.lake)
    assert receipt.signature == signature_of(receipt, key)
    forged = Receipt(**{name: getattr(receipt, name) for name in Receipt.__struct_fields__} | {"removed": {}})
    assert forged.signature != signature_of(forged, key)


def test_decisions_and_reservations_are_as_many_as_before(filled: Store) -> None:
    def counts() -> list[Any]:
        with filled.reading() as connection:
            return [
                connection.execute(select(func.count()).select_from(of)).scalar() for of in (decisions, reservations)
            ]

    before = counts()
    forget(filled, "default", WHO, NOW + 10)

    assert counts() == before


def test_the_same_history_again_does_not_bring_the_person_back(filled: Store) -> None:
    forget(filled, "default", WHO, NOW + 10)

    again = Event(event_id="x", type=EventType.PURCHASE, occurred_at=NOW - 50, customer_id=WHO, amount=1)
    with filled.writing() as connection:
        result = append(connection, [again], NOW + 20, lake=filled.lake)

    assert [(rejected[0], rejected[1]) for rejected in result.rejected] == [("x", "customer_id")]


def test_forgetting_twice_is_no_error_and_nobody_is(filled: Store) -> None:
    forget(filled, "default", WHO, NOW + 10)

    assert forget(filled, "default", WHO, NOW + 20).removed == {}
    with pytest.raises(FieldError, match="expected a customer of whom something is known"):
        forget(filled, "default", "nobody", NOW + 20)


def test_all_that_is_held_is_handed_out(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    command(["export", WHO, "--workspace", str(filled.workspace), "--json"], standalone_mode=False)

    held = json.loads(capsys.readouterr().out)["held"]
    assert {"events", "events_in_bulk", "customers", "decisions", "profiles", "merges"} <= set(held)
    assert len(held["events_in_bulk"]) == 5
    assert {row["customer_id"] for row in held["events"]} == set(NAMES)
    assert held["customers"][0]["body"]["attributes"] == {"city": WHO}
    assert OTHER not in json.dumps(held)


def test_the_service_forgets_and_hands_out(filled: Store) -> None:
    service = open_application(Settings(workspace=filled.workspace), lambda: NOW + 10, "default")
    asked = json.dumps({"customer_id": WHO}).encode()

    held = json.loads(asyncio.run(export(service, asked)))["held"]
    receipt = json.loads(asyncio.run(forget_call(service, asked)))

    assert len(held["events_in_bulk"]) == receipt["removed"]["events_in_bulk"] == 5
    assert receipt["left"] == []
    with pytest.raises(NotFoundError):
        asyncio.run(export(service, asked))
    with pytest.raises(NotFoundError):
        asyncio.run(forget_call(service, b'{"customer_id": "nobody"}'))
    service.close()


def test_the_verb_says_what_went(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["forget", ALIAS, "--workspace", str(filled.workspace)]
    status: Callable[..., Any] = command

    assert status(asked, standalone_mode=False) in (0, None)
    told = capsys.readouterr().out
    assert "signature" in told
    assert ALIAS not in told
