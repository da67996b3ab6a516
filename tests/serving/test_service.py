"""The whole path: a small shop in a workspace, asked as a server would ask."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from experiments import experiment_store
from experiments.design import Experiment, Variant
from features import instant
from features.schema import decisions, events, offer_usage, reservations
from features.store import open_store
from training.registry import CHALLENGER, deploy

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
    without_targets = [{**offer, "target": None} for offer in answer["offers"]]
    assert json.loads(row.body)["answer"] == {**answer, "offers": without_targets}
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


def test_a_key_stays_its_owners_when_they_are_merged(client: Any) -> None:
    client.post("/events", events=[purchase("key-1", "key-old"), purchase("key-2", "key-new")])
    first = client.post("/next_best_offer", customer_id="key-old", idempotency_key="merged")
    client.post("/events", events=[{"event_id": "key-3", "type": "customer_merged", "customer_id": "key-new",
                                    "merged_customer_id": "key-old", "occurred_at": NOW}])  # fmt: skip

    again = [
        client.post("/next_best_offer", customer_id=name, idempotency_key="merged") for name in ("key-old", "key-new")
    ]

    assert again == [first, first]


def test_a_cap_is_never_passed_by_those_who_ask_together(client: Any, rows: Callable[[Any], list[Any]]) -> None:
    scarce = {"offer_id": "scarce", "brand": "small", "kind": "gift", "priority": 1000, "cap_total": 3}
    client.post("/offers", offers=[scarce])

    bodies = [{"customer_id": f"c{number}", "brand": "small"} for number in range(30)]
    answers = [response.json() for response in client.ask_together("/next_best_offer", bodies)]

    assert sum(bool(answer["offers"]) for answer in answers) == 3
    assert {answer["no_offer_reason"] for answer in answers} <= {None, "cap_total", "explored"}
    assert rows(select(offer_usage.c.issued).where(offer_usage.c.offer_id == "scarce")) == [(3,)]
    for (body,) in rows(select(decisions.c.body).where(decisions.c.brand == "small")):
        assert sum(one["probability"] for one in json.loads(body)["candidates"]) == pytest.approx(1.0)


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


def test_an_event_is_known_to_the_very_next_decision(client: Any) -> None:
    before = client.post("/next_best_offer", customer_id="fresh", dry_run=True)
    taken = client.post("/events", events=[purchase("fresh-1", "fresh")])
    after = client.post("/next_best_offer", customer_id="fresh", dry_run=True)

    assert taken == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert "unknown_customer" in before["fallback"]
    assert "unknown_customer" not in after["fallback"]


def test_the_same_event_again_changes_nothing_and_other_content_is_refused(client: Any) -> None:
    client.post("/events", events=[purchase("twice-1", "twice")])

    again = client.post("/events", events=[purchase("twice-1", "twice"), purchase("twice-1", "twice", amount=5)])

    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert [(one["event_id"], one["field"]) for one in again["rejected"]] == [("twice-1", "event_id")]


def test_bad_events_are_told_and_the_good_ones_kept(client: Any) -> None:
    bad = [purchase("bad-1", "mixed", amount=-1), {"event_id": "bad-2", "type": "purchase"}, "text", {}]

    answer = client.post("/events", events=[*bad, purchase("good-1", "mixed")])

    assert answer["accepted"] == 1
    assert [one["event_id"] for one in answer["rejected"]] == ["bad-1", "bad-2", None, None]
    assert all(one["reason"] for one in answer["rejected"])


def test_nothing_overrides_a_block(client: Any) -> None:
    asked = {"customer_id": "blocked", "idempotency_key": "before the block"}
    client.post("/next_best_offer", **asked)
    client.post("/events", events=[{"event_id": "b1", "type": "contact_blocked", "customer_id": "blocked",
                                    "occurred_at": NOW}])  # fmt: skip

    answers = [
        client.post("/next_best_offer", **asked),
        client.post("/next_best_offer", customer_id="blocked", limit=10, channel="email"),
        client.post("/next_best_offer", customer_id="blocked", dry_run=True),
    ]

    assert [answer["offers"] for answer in answers] == [[], [], []]
    assert {answer["no_offer_reason"] for answer in answers} == {"contact_blocked"}


def test_a_blocked_customer_too_gets_the_same_answer_under_the_same_key(client: Any) -> None:
    client.post("/events", events=[{"event_id": "b2", "type": "contact_blocked", "customer_id": "shut",
                                    "occurred_at": NOW}])  # fmt: skip
    asked = {"customer_id": "shut", "idempotency_key": "after the block"}

    first, second = (client.post("/next_best_offer", **asked) for _ in range(2))
    stranger = client.ask("POST", "/next_best_offer", json={**asked, "customer_id": "another"})

    assert first == second
    assert stranger.status_code == 409


def test_an_identifier_leads_to_its_customer(client: Any) -> None:
    client.post("/events", events=[purchase("card-1", "carded", identifiers={"card": "4711"})])

    known = client.post("/customer", identifiers={"card": "4711"})
    stranger = client.post("/next_best_offer", identifiers={"card": "unheard of"})

    assert known["customer_id"] == "carded"
    assert known["fallbacks"]["new_products"] == "no favourite-product model has been trained"
    assert "unknown_customer" in stranger["fallback"]


def test_who_was_merged_is_asked_for_by_either_name(client: Any) -> None:
    client.post("/events", events=[purchase("old-1", "old"), purchase("new-1", "new")])
    client.post("/events", events=[{"event_id": "m1", "type": "customer_merged", "customer_id": "new",
                                    "merged_customer_id": "old", "occurred_at": NOW}])  # fmt: skip

    by_old, by_new = (client.post("/customer", customer_id=name) for name in ("old", "new"))

    assert by_old == by_new
    assert by_new["numbers"]["orders"] == 2


def test_a_shown_offer_keeps_its_reservation(client: Any, rows: Callable[[Any], list[Any]]) -> None:
    decision_id, offer_id = None, None
    while offer_id is None:
        answer = client.post("/next_best_offer", customer_id="shown")
        decision_id, offer_id = answer["decision_id"], next((one["offer_id"] for one in answer["offers"]), None)
    client.post("/events", events=[{"event_id": "s1", "type": "offer_presented", "customer_id": "shown",
                                    "offer_id": offer_id, "decision_id": decision_id, "occurred_at": NOW}])  # fmt: skip

    assert rows(select(reservations.c.state).where(reservations.c.decision_id == decision_id)) == [("confirmed",)]


def test_a_question_about_the_past_knows_nothing_later(client: Any) -> None:
    client.post("/events", events=[purchase("past-1", "past", occurred_at="2017-11-01T00:00:00Z"),
                                   purchase("past-2", "past", occurred_at="2017-11-10T00:00:00Z")])  # fmt: skip

    early, now = (
        client.post("/next_best_offer", customer_id="past", dry_run=True, **more)
        for more in ({"as_of": "2017-10-01"}, {})
    )

    assert "unknown_customer" in early["fallback"]
    assert "unknown_customer" not in now["fallback"]


def test_those_who_ask_together_are_decided_on_as_alone(client: Any, rows: Callable[[Any], list[Any]]) -> None:
    bought = [purchase(f"t{number}", f"t{number % 3}", amount=10.0 + number) for number in range(9)]
    client.post("/events", events=bought)
    client.post("/events", events=[{**purchase("t9", "t0"), "brand": "other"}])
    people = ("t0", "t1", "t2", "t-nobody")
    asked = [{"customer_id": name, "brand": brand} for name in people for brand in ("default", "other")]
    for one in asked:
        client.post("/next_best_offer", **one)

    together = client.ask_together("/next_best_offer", asked + asked)

    assert [response.status_code for response in together] == [200] * len(together)
    considered: dict[Any, list[Any]] = {}
    for row in rows(select(decisions).where(decisions.c.customer_id.in_(people))):
        seen = json.loads(row.body)
        considered.setdefault((row.customer_id, row.brand), []).append((seen["candidates"], seen.get("features")))
    assert {len(some) for some in considered.values()} == {3}
    assert all(some == [some[0]] * 3 for some in considered.values())


def test_one_who_asks_wrongly_takes_nobody_along(client: Any) -> None:
    answers = client.ask_together(
        "/next_best_offer", [{"customer_id": "t1"}, {"customer_id": 7}, {"customer_id": "t2"}]
    )

    assert [answer.status_code for answer in answers] == [200, 400, 200]


def test_an_experiment_is_answered_and_its_exposure_logged_once(
    client: Any, workspace: Path, rows: Callable[[Any], list[Any]]
) -> None:
    store = open_store(workspace)
    halves = (Variant(name="control", weight=0.5), Variant(name="bold", weight=0.5, policy={"epsilon": 0.5}))
    with store.writing() as connection:
        experiment_store.create(connection, "default", Experiment(name="boldness", variants=halves), 0)
        experiment_store.start(connection, "default", "boldness", 0)
    store.close()
    client.post("/products", products=[{"product_id": "tea"}])  # after which the worker has looked at the store

    answers = [client.post("/next_best_offer", customer_id="treated") for _ in range(3)]
    assigned = client.post("/assign", unit_id="treated", experiment="boldness")

    assert [answer["experiments"] for answer in answers] == [[{"experiment": "boldness", **assigned}]] * 3
    assert rows(select(events.c.type).where(events.c.customer_id == "treated")) == [("exposure",)]
    unknown = client.ask("POST", "/assign", json={"unit_id": "a", "experiment": "unheard of"})
    assert (unknown.status_code, unknown.json()["error"]["field"]) == (404, "experiment")


def test_a_version_that_a_variant_names_in_vain_is_said_to_those_it_should_have_served(
    client: Any, workspace: Path
) -> None:
    store = open_store(workspace)
    halves = (Variant(name="control", weight=0.5), Variant(name="next", weight=0.5, models={"churn": "7"}))
    with store.writing() as connection:
        deploy(connection, "vain", "churn", "7", CHALLENGER, None, "gone", 0, None)
        experiment_store.create(connection, "vain", Experiment(name="newer", variants=halves), 0)
        experiment_store.start(connection, "vain", "newer", 0)
    store.close()
    client.post("/products", products=[{"product_id": "tea"}])  # after which the worker has looked at the store

    asked = [{"customer_id": f"v{number}", "brand": "vain"} for number in range(20)]
    answers = [answer.json() for answer in client.ask_together("/next_best_offer", asked)]

    said = {(one["experiments"][0]["variant"], "missing version: churn 7" in one["fallback"]) for one in answers}
    assert said == {("control", False), ("next", True)}


def test_a_customers_row_links_the_identifiers_and_moves_the_clock_of_the_profile(client: Any) -> None:
    client.post("/events", events=[purchase("zone-1", "zoned", occurred_at="2017-11-19T23:30:00Z")])

    put = client.post("/customers", customers=[{"customer_id": "zoned", "timezone": "Asia/Tokyo", "tier": "gold",
                                                "identifiers": {"qr": "q-1"}}])  # fmt: skip
    taken = client.post("/customers", customers=[{"customer_id": "else", "identifiers": {"qr": "q-1"}}])
    known = client.post("/customer", identifiers={"qr": "q-1"})

    assert put == {"upserted": 1, "rejected": []}
    assert [(one["id"], one["field"]) for one in taken["rejected"]] == [("else", "identifiers")]
    assert (known["customer_id"], known["tier"], known["numbers"]["weekend_share"]) == ("zoned", "gold", 0.0)


@pytest.mark.parametrize("customer_id", ["nul\0", "line\n", "x" * 257])
def test_an_id_that_no_event_could_have_is_refused(client: Any, customer_id: str) -> None:
    for path, body in [("/next_best_offer", {"customer_id": customer_id}), ("/score", {"customer_ids": [customer_id]})]:
        response = client.ask("POST", path, json=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")


def test_scores_of_a_merged_customer_are_those_of_who_stays(client: Any) -> None:
    client.post("/events", events=[purchase("stays-1", "stays"), purchase("ends-1", "ends")])
    client.post("/events", events=[{"event_id": "m", "type": "customer_merged", "customer_id": "stays",
                                    "merged_customer_id": "ends", "occurred_at": "2017-11-19T10:00:00Z"}])  # fmt: skip

    stays, ends = client.post("/score", customer_ids=["stays", "ends"])

    assert ends == {**stays, "customer_id": "ends"}
    assert stays["expected_next_purchase_at"] is not None


@pytest.mark.parametrize("path", ["/score", "/events", "/products", "/customers", "/offers"])
@pytest.mark.parametrize("brand", [" ", "\u00a0", "x" * 257])
def test_a_name_that_no_brand_could_have_is_refused(client: Any, path: str, brand: str) -> None:
    body = {"brand": brand, "customer_ids": [], "events": [], "rows": []}

    response = client.ask("POST", path, json=body)

    assert (response.status_code, response.json()["error"]["field"]) == (400, "brand")


def test_an_event_of_a_brand_of_blanks_is_refused_alone(client: Any) -> None:
    blank = {**purchase("blank-1", "blank"), "brand": "\u00a0"}

    taken = client.post("/events", events=[blank, purchase("blank-2", "blank")])

    assert (taken["accepted"], [one["field"] for one in taken["rejected"]]) == (1, ["brand"])
