"""The whole path, by the front: a small shop on both databases' first one, asked over ASGI."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from features import instant
from features.schema import decisions, offer_usage, reservations
from features.store import open_store

NOW = "2017-11-20T12:00:00Z"
OFFERS = [
    {"offer_id": "dairy", "kind": "discount_percent", "value": 10, "target": {"products": ["milk"]}, "priority": 500},
    {"offer_id": "bakery", "kind": "discount_amount", "value": 1, "target": {"products": ["bread"]}, "priority": 400},
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service") / "workspace"


@pytest.fixture(scope="module")
def client(client_of: Callable[[Any], Any], workspace: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAGNIAPPE_WORKSPACE", str(workspace))
        environment.setenv("LAGNIAPPE_CLOCK", NOW)
        from serving.service import Lagniappe

        client = client_of(Lagniappe.to_asgi())
        client.post("/products", products=[{"product_id": "milk"}, {"product_id": "bread"}])
        client.post("/offers", offers=OFFERS)
        yield client


@pytest.fixture
def rows(workspace: Path) -> Iterator[Callable[[Any], list[Any]]]:
    store = open_store(workspace)

    def read(query: Any) -> list[Any]:
        with store.reading() as connection:
            return list(connection.execute(query).all())

    yield read
    store.close()


def purchase(event_id: str, customer_id: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "type": "purchase",
        "customer_id": customer_id,
        "occurred_at": "2017-11-19T10:00:00Z",
        "product_id": "milk",
        "quantity": 1,
        "amount": 20.0,
        **more,
    }


def test_an_unknown_customer_gets_a_marked_answer(client: Any) -> None:
    answer = client.post("/next_best_offer", customer_id="nobody")

    assert "unknown_customer" in answer["fallback"]
    assert answer["decision_id"]
    assert len(answer["offers"]) + (answer["no_offer_reason"] is not None) == 1


def test_what_was_answered_stands_in_the_log(client: Any, rows: Callable[[Any], list[Any]]) -> None:
    answer = client.post("/next_best_offer", customer_id="logged", limit=2)

    (row,) = rows(select(decisions).where(decisions.c.decision_id == answer["decision_id"]))
    assert json.loads(row.body)["answer"] == answer
    assert row.customer_id == "logged"
    assert row.decided_at == instant.parse(NOW)
