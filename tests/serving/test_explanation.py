"""Decisions of a service, made again from its log."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from features.catalogue import upsert_customers, upsert_offers, upsert_products
from features.entities import CapPerCustomer, Customer, Offer, OfferKind, Product, Target
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY
from features.schema import decisions
from features.settings import Settings
from features.store import open_store
from lagniappe import application as command
from serving.application import Application, open_application
from serving.errors import NotFoundError
from serving.handlers.explain import explain
from serving.handlers.next_best_offer import next_best_offer

NOW = 1_500_000_000_000_000
QUESTIONS: list[dict[str, Any]] = [
    {"customer_id": "anna"},
    {"customer_id": "anna", "limit": 3},
    {"customer_id": "anna", "basket": [{"product_id": "milk", "quantity": 2}]},
    {"customer_id": "anna", "channel": "email"},
    {"customer_id": "boris", "channels": ["email", "push"]},
    {"customer_id": "blocked"},
    {"customer_id": "nobody knows"},
]


OF_GOLD: dict[str, Any] = {"tier": ["gold"], "attributes": {"age": {"min": 18}}}


def offers(worth: float = 10.0) -> list[Offer]:
    percent = OfferKind.DISCOUNT_PERCENT
    return [
        Offer(offer_id="milk", kind=percent, value=worth, target=Target(products=("milk",)), exclusive_group="g"),
        Offer(offer_id="tea", kind=percent, value=worth, target=Target(categories=("tea",)), exclusive_group="g"),
        Offer(offer_id="gold", kind=percent, value=5.0, eligibility=OF_GOLD),
        Offer(offer_id="once", value=None, cap_per_customer=CapPerCustomer(count=1, days=30)),
        Offer(offer_id="few", kind=percent, value=1.0, cap_total=2),
        Offer(offer_id="over", valid_to=NOW - 1),
    ]  # fmt: skip


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Application]:
    store = open_store(tmp_path)
    bought = [
        Event(event_id=f"{who}{n}", type=EventType.PURCHASE, occurred_at=NOW - n * MICROSECONDS_PER_DAY,
              customer_id=who, product_id=product, amount=50_000, channel="email")
        for who, product in (("anna", "milk"), ("boris", "sencha")) for n in range(1, 9)
    ]  # fmt: skip
    blocked = Event(event_id="x", type=EventType.CONTACT_BLOCKED, occurred_at=NOW - 1, customer_id="blocked")
    with store.writing() as connection:
        upsert_products(connection, [Product(product_id="milk", price=20_000, margin_rate=0.4),
                                     Product(product_id="sencha", category="tea", price=90_000)], NOW)  # fmt: skip
        upsert_customers(connection, [Customer(customer_id="anna", tier="gold", attributes={"age": 40.0})], NOW)
        upsert_offers(connection, offers(), NOW)
        append(connection, [*bought, blocked], NOW, lake=store.lake)
    store.close()
    application = open_application(Settings(workspace=tmp_path), lambda: NOW, "default")
    yield application
    application.close()


def ask(service: Application, **question: Any) -> dict[str, Any]:
    return dict(json.loads(asyncio.run(next_best_offer(service, json.dumps(question).encode()))))


def explained(service: Application, decision_id: str) -> dict[str, Any]:
    return dict(json.loads(asyncio.run(explain(service, json.dumps({"decision_id": decision_id}).encode()))))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: " ".join(map(str, question.values())))
def test_a_decision_is_made_again_to_the_identical_answer(service: Application, question: dict[str, Any]) -> None:
    answer = ask(service, **question)

    told = explained(service, answer["decision_id"])

    assert told["differences"] == []
    assert told["is_identical"] is True
    shown = [{**offer, "target": None} for offer in answer["offers"]]
    assert told["answer"]["offers"] == shown
    assert sum(one["probability"] for one in told["candidates"]) == pytest.approx(1.0)


def test_it_is_the_same_also_after_the_catalogue_was_replaced(service: Application) -> None:
    decision_id = ask(service, customer_id="anna")["decision_id"]
    with service.store.writing() as connection:
        upsert_offers(connection, offers(worth=90.0), NOW)
    service.loader.refresh()

    told = explained(service, decision_id)
    later = explained(service, ask(service, customer_id="anna")["decision_id"])

    assert told["is_identical"] is True
    assert told["versions"]["catalogue"] != later["versions"]["catalogue"]


def test_each_offer_that_could_not_be_made_has_its_reason(service: Application) -> None:
    told = explained(service, ask(service, customer_id="boris")["decision_id"])

    assert (told["filters"]["gold"], told["filters"]["over"]) == ("tier", "expired")


def test_a_log_that_was_tampered_with_is_no_identical_answer(service: Application) -> None:
    answer = ask(service, customer_id="anna")
    with service.store.writing() as connection:
        body = connection.execute(decisions.select()).one().body
        other = json.dumps({**json.loads(body), "none_probability": 0.5})
        connection.execute(update(decisions).values(body=other))

    told = explained(service, answer["decision_id"])

    assert told["is_identical"] is False
    assert [one["where"] for one in told["differences"]] == ["none_probability"]


def test_a_decision_that_nobody_made_is_not_found(service: Application) -> None:
    with pytest.raises(NotFoundError):
        explained(service, "never")


def test_another_policy_is_tried_on_it_by_the_command(
    service: Application, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decision_id = ask(service, customer_id="anna")["decision_id"]
    (tmp_path / "policy.yaml").write_text("least_value: 1000000.0\nepsilon: 0.0\n")

    arguments = ["explain", decision_id, "--policy", str(tmp_path / "policy.yaml"), "--workspace", str(tmp_path)]
    command([*arguments, "--json"], standalone_mode=False)

    told = json.loads(capsys.readouterr().out)
    assert told["is_identical"] is True
    assert told["instead"]["answer"]["offers"] == []
    assert told["instead"]["answer"]["no_offer_reason"] == "nothing_worth_its_cost"
