"""The whole path: a small shop in a workspace, asked as a server would ask."""

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


def test_both_ways_in_give_the_same_bytes(client: Any) -> None:
    request = {"customer_id": "twice", "dry_run": True, "limit": 2, "unheard_of": 1}

    in_front = client.ask("POST", "/next_best_offer", json=request)
    behind = client.behind().ask("POST", "/next_best_offer", json=request)

    assert (in_front.status_code, in_front.content) == (behind.status_code, behind.content)
    assert "server" in behind.headers  # that BentoML writes and the front does not
    assert "server" not in in_front.headers


def test_both_ways_in_give_the_same_error(client: Any) -> None:
    request = {"customer_id": "twice", "limit": "many"}

    in_front = client.ask("POST", "/next_best_offer", json=request)
    behind = client.behind().ask("POST", "/next_best_offer", json=request)

    assert (in_front.status_code, in_front.content) == (400, behind.content)


def test_a_dry_run_leaves_nothing_behind(client: Any, rows: Callable[[Any], list[Any]]) -> None:
    before = rows(select(decisions.c.decision_id)), rows(select(offer_usage))

    answer = client.post("/next_best_offer", customer_id="dry", dry_run=True)

    assert answer["decision_id"] is None
    assert (rows(select(decisions.c.decision_id)), rows(select(offer_usage))) == before


def test_an_offer_made_holds_a_reservation(client: Any, rows: Callable[[Any], list[Any]]) -> None:
    answer = client.post("/next_best_offer", customer_id="reserving", limit=2)

    held = rows(select(reservations).where(reservations.c.decision_id == answer["decision_id"]))
    assert {row.offer_id for row in held} == {offer["offer_id"] for offer in answer["offers"]}
    assert all(row.state == "reserved" and row.expires_at > row.decided_at for row in held)


def test_the_same_key_gets_the_same_answer(client: Any) -> None:
    asked = {"customer_id": "careful", "idempotency_key": "once"}

    first, *others = client.ask_together("/next_best_offer", [asked] * 6)
    later = client.ask("POST", "/next_best_offer", json=asked)

    assert {response.content for response in (*others, later)} == {first.content}


def test_a_key_of_another_customer_is_refused(client: Any) -> None:
    client.post("/next_best_offer", customer_id="owner", idempotency_key="mine")

    response = client.ask("POST", "/next_best_offer", json={"customer_id": "thief", "idempotency_key": "mine"})

    assert (response.status_code, response.json()["error"]["field"]) == (409, "idempotency_key")


def test_a_cap_is_never_passed_by_those_who_ask_together(client: Any, rows: Callable[[Any], list[Any]]) -> None:
    scarce = {"offer_id": "scarce", "brand": "small", "kind": "gift", "priority": 1000, "cap_total": 3}
    client.post("/offers", offers=[scarce])

    bodies = [{"customer_id": f"c{number}", "brand": "small"} for number in range(30)]
    answers = [response.json() for response in client.ask_together("/next_best_offer", bodies)]

    given = [answer for answer in answers if answer["offers"]]
    assert len(given) == 3
    assert all(answer["no_offer_reason"] in ("cap_total", "explored") for answer in answers if not answer["offers"])
    assert rows(select(offer_usage.c.issued).where(offer_usage.c.offer_id == "scarce")) == [(3,)]


def test_what_a_refused_reservation_was_likely_to_give_counts_as_none(
    client: Any, rows: Callable[[Any], list[Any]]
) -> None:
    query = select(decisions.c.body).where(decisions.c.brand == "small", decisions.c.offer_id == "none")
    bodies = [json.loads(body) for (body,) in rows(query)]

    late = [body for body in bodies if len(body["candidates"]) == 2 and "cap_total" in body["answer"]["excluded"]]
    assert late
    for body in late:
        assert sum(one["probability"] for one in body["candidates"]) == pytest.approx(1.0)
        assert body["propensities"] == {"none": body["none_probability"]} == {"none": pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "customer_id"),
        ({"customer_id": 7}, "customer_id"),
        ({"customer_id": ""}, "customer_id"),
        ({"customer_id": "a", "limit": 0}, "limit"),
        ({"customer_id": "a", "as_of": "2017-11-01"}, "as_of"),
        ({"customer_id": "a", "dry_run": True, "as_of": "yesterday"}, "as_of"),
        ({"identifiers": {"shoe": "44"}}, "identifiers"),
        ({"customer_id": "a", "basket": [{"quantity": 1}]}, "product_id"),
    ],
)
def test_a_wrong_request_is_told_where(client: Any, body: dict[str, Any], field: str) -> None:
    response = client.ask("POST", "/next_best_offer", json=body)

    assert response.status_code == 400
    assert field in response.json()["error"]["field"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"', b"[" * 100_000])
@pytest.mark.parametrize("path", ["/next_best_offer", "/score", "/events", "/offers", "/customer", "/assign"])
def test_no_body_makes_a_server_error(client: Any, path: str, content: bytes) -> None:
    response = client.ask("POST", path, content=content)

    assert response.status_code == 400 or (path, content) == ("/offers", b"[]")
    assert response.status_code == 200 or set(response.json()["error"]) == {"code", "message", "field"}


def test_an_offer_just_posted_is_among_the_next_decisions(client: Any) -> None:
    client.post("/offers", offers=[{"offer_id": "fresh", "brand": "new brand", "kind": "gift", "priority": 1000}])

    answer = client.post("/next_best_offer", customer_id="a", brand="new brand", dry_run=True)

    assert "no_offers" not in (answer["fallback"] or "")


def test_bad_rows_are_told_and_the_good_ones_kept(client: Any) -> None:
    answer = client.post(
        "/products", products=[{"product_id": "tea"}, {"name": "no id"}, {"product_id": "x", "price": "?"}]
    )

    assert answer["upserted"] == 1
    assert [(row["id"], row["field"]) for row in answer["rejected"]] == [(None, "product_id"), ("x", "price")]


def test_scores_come_in_the_order_of_the_question(client: Any) -> None:
    asked = ["b", "a", "b"]

    answer = client.post("/score", customer_ids=asked)

    assert [row["customer_id"] for row in answer] == asked
    assert all(row["churn_probability"] is None and "churn_probability" in row["fallbacks"] for row in answer)


def test_the_calls_are_documented(client: Any) -> None:
    from serving.service import CALLS

    paths = client.ask("GET", "/docs.json").json()["paths"]

    assert set(CALLS) <= set(paths)
    assert paths["/next_best_offer"]["post"]["requestBody"]["content"]["application/json"]["schema"]
