"""Profiles as stored against the same aggregated anew: any difference is found."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.schema import profiles
from features.store import Store, open_store
from lagniappe import application as command

NOW = parse("2025-11-22T10:00:00Z")


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    store = open_store(tmp_path)
    bought = [
        Event(event_id=f"{n}-{day}", type=EventType.PURCHASE, occurred_at=NOW - day * (n + 1) * MICROSECONDS_PER_DAY,
              customer_id=f"c{n}", amount=10_000 * (n + day), order_id=f"o{n}-{day}")
        for n in range(12) for day in range(1, 6)
    ]  # fmt: skip
    merged = Event(event_id="m", type=EventType.CUSTOMER_MERGED, occurred_at=NOW - 5, customer_id="c1",
                   merged_customer_id="c2")  # fmt: skip
    with store.writing() as connection:
        append(connection, [*bought, merged], NOW, lake=store.lake)
    return store


def checked(store: Store, capsys: pytest.CaptureFixture[str], *further: str) -> tuple[int, dict[str, Any]]:
    status = command(["check-parity", "--workspace", str(store.workspace), "--json", *further], standalone_mode=False)
    return status or 0, json.loads(capsys.readouterr().out)


def test_what_was_folded_event_by_event_is_what_the_history_says(
    filled: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = checked(filled, capsys)

    assert (status, found["holds"]) == (0, True)
    assert (found["parity"]["customers"], found["parity"]["compared"]) == (11, 11)
    assert found["parity"]["largest"] < 1e-9


def test_a_profile_of_somebody_else_is_found(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with filled.writing() as connection:
        other = connection.execute(profiles.select().where(profiles.c.customer_id == "c9")).one()
        mine = profiles.c.customer_id == "c8"
        connection.execute(update(profiles).where(mine).values(body=other.body, last_event_at=other.last_event_at))

    status, found = checked(filled, capsys)

    assert (status, found["holds"]) == (1, False)
    assert {one["customer_id"] for one in found["parity"]["differences"]} == {"c8"}
    assert found["parity"]["different"] > 3


def test_who_is_known_on_one_side_alone_is_named(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with filled.writing() as connection:
        body = connection.execute(profiles.select().where(profiles.c.customer_id == "c9")).one()
        connection.execute(delete(profiles).where(profiles.c.customer_id == "c8"))
        connection.execute(profiles.insert().values({**body._mapping, "customer_id": "nobody"}))

    status, found = checked(filled, capsys)

    assert status == 1
    assert (found["parity"]["only_online"], found["parity"]["only_offline"]) == (["nobody"], ["c8"])


def test_no_more_customers_are_compared_than_asked_for(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(filled, capsys, "--sample", "3")[1]["parity"]["compared"] == 3


def test_nobody_differs_from_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(tmp_path)
    store.close()

    assert checked(store, capsys) == (0, {"holds": True, "parity": {
        "customers": 0, "compared": 0, "features": 106, "largest": 0.0, "differences": [], "different": 0,
        "only_online": [], "only_offline": []}})  # fmt: skip
