"""A service whose clock stands still before the end of its history answers as ``score --as-of`` does."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from features.event_files import ingest_events
from features.instant import parse
from features.store import open_store
from serving.score_command import write

NOW = "2026-01-10T12:00:00Z"
HEADER = "event_id,type,customer_id,occurred_at,product_id,amount,order_id\n"
CUSTOMERS = [f"c{number}" for number in range(25)]
"""More than are folded one by one."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody bought on three days before the present; all but the last also three hours after it, or three days."""
    folder = tmp_path_factory.mktemp("past")
    rows = []
    for number, customer_id in enumerate(CUSTOMERS):
        days = ["2026-01-01T10:00:00Z", "2026-01-04T10:00:00Z", "2026-01-09T10:00:00Z"]
        days += ["2026-01-10T15:00:00Z" if number % 2 else "2026-01-13T12:00:00Z"] * (number < 24)
        rows += [f"{customer_id}-{at},purchase,{customer_id},{at},milk,2.50,{customer_id}-{at}" for at in days]
    (folder / "events.csv").write_text(HEADER + "\n".join(rows))
    store = open_store(folder / "workspace")
    ingest_events(store, [folder / "events.csv"], now=parse("2026-02-01"))
    store.close()
    return folder / "workspace"


@pytest.fixture(scope="module")
def client(client_of: Callable[[Any], Any], workspace: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAGNIAPPE_WORKSPACE", str(workspace))
        environment.setenv("LAGNIAPPE_CLOCK", NOW)
        from serving.service import Lagniappe

        yield client_of(Lagniappe.to_asgi())


def orders_of(client: Any, customer_id: str) -> float:
    return float(client.post("/customer", customer_id=customer_id)["numbers"]["orders"])


def test_the_call_scores_as_the_verb_does(client: Any, workspace: Path, tmp_path: Path) -> None:
    store = open_store(workspace)
    done = write(
        store, "default", parse(NOW), tmp_path / "s.parquet", favourites=10, with_offers=False, report=lambda *_: None
    )
    store.close()
    rows = {row["customer_id"]: row for row in pyarrow.parquet.read_table(done.out).to_pylist()}

    for asked in (CUSTOMERS, CUSTOMERS[:2]):
        for answer in client.post("/score", customer_ids=asked):
            row = rows[answer["customer_id"]]
            assert parse(answer["expected_next_purchase_at"]) == parse(row["expected_next_purchase_at"].isoformat())
            assert answer["rfm_segment"] == row["rfm_segment"]
            assert len(answer["replenishment"]) == len(row["replenishment"])


@pytest.mark.parametrize(("customer_id", "at"), [("c1", NOW), ("c2", NOW), ("c3", "2026-01-10T14:00:00Z")])
def test_what_is_posted_counts_at_once_and_what_the_file_says_of_later_does_not(
    client: Any, customer_id: str, at: str
) -> None:
    assert orders_of(client, customer_id) == 3

    event = {"event_id": f"now-{customer_id}", "type": "purchase", "customer_id": customer_id, "occurred_at": at}
    client.post("/events", events=[{**event, "product_id": "milk", "amount": 2.5, "order_id": f"now-{customer_id}"}])

    assert orders_of(client, customer_id) == 4
    alone = client.post("/score", customer_ids=[customer_id])
    among_others = client.post("/score", customer_ids=[*CUSTOMERS, customer_id])
    assert among_others[-1:] == alone


def test_caps_count_decisions_of_the_standing_present(client: Any) -> None:
    client.post("/offers", offers=[{"offer_id": "once", "priority": 9, "cap_per_customer": {"count": 1, "days": 30}}])

    answers = [client.post("/next_best_offer", customer_id="c4") for _ in range(60)]

    assert sum(bool(answer["offers"]) for answer in answers) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/events", {"events": [{"event_id": "c1-again", "source": "file", "type": "view", "customer_id": "c1",
                                 "occurred_at": NOW}]}),
        ("/customers", {"customers": [{"customer_id": "c1", "timezone": "Asia/Tokyo"}]}),
        ("/score", {"customer_ids": ["c2"]}),
    ],
)  # fmt: skip
def test_what_bulk_history_is_read_with_is_named_where_it_is_missing(
    client: Any, path: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)  # as where it is not installed

    refused = client.ask("POST", path, json=body)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert "needs duckdb: install lagniappe[train]" in refused.json()["error"]["message"]
