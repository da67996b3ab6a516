"""Policies in a service: followed, logged, made again to the same answer, and accounted for."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from features.catalogue import upsert_customers, upsert_offers, upsert_products
from features.entities import Customer, Offer, OfferKind, Product, Target
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_HOUR
from features.schema import decisions
from features.settings import Settings
from features.store import open_store
from lagniappe import application as command
from serving.application import Application, open_application
from serving.applied_policy import apply_policy
from serving.handlers.explain import explain
from serving.handlers.next_best_offer import next_best_offer
from serving.policy_file import parse_policy

NOW = 1_700_000_000_000_000
FILES: dict[str, dict[str, Any]] = {
    "thompson": {"exploration": {"kind": "thompson", "draws": 32, "epsilon": 0.2}},
    "softmax": {"exploration": {"kind": "softmax", "temperature": 0.1}},
    "rules": {
        "epsilon": 0.5,
        "pins": [{"offer": "gold", "customers": {"tier": ["gold"], "attributes": {"age": {"max": 30}}}}],
        "boosts": [{"categories": ["tea"], "factor": 2.5, "customers": {"city": ["Omsk"]}}],
        "contexts": [{"kinds": "discount_percent", "add": 0.3, "channels": ["email"]}],
        "exclusions": [{"offers": ["few"], "customers": {"segment": ["new"]}},
                       {"offers": ["tea"], "yields_to": ["milk"], "customers": {"attributes": {"age": {"min": 35}}}}],
        "groups": [{"name": "g", "offers": ["milk", "gold"]}],
        "diversity": {"most_per_category": 1},
        "weights": {"value": 0.7, "lever": 0.5},
    },
    "limits": {
        "gaps": [{"hours": 1, "channels": ["email"]}, {"hours": 2, "offers": ["milk"]}],
        "caps": [{"count": 3, "days": 2}],
        "suppression": {"decline_days": 9, "decline_scope": "category", "unsubscribe_days": 5},
    },
    "apprentice": {
        "epsilon": 0.5,
        "rules": {"now": [{"offer": "few", "customers": {"age": {"min": 18}}}, {"offer": "tea", "placements": "home"}]},
        "apprentice": {"rule": "now"},
    },
}  # fmt: skip
QUESTIONS: list[dict[str, Any]] = [
    {"customer_id": "anna"},
    {"customer_id": "anna", "limit": 3, "placement": "home"},
    {"customer_id": "boris", "channels": ["email", "push"], "limit": 2},
    {"customer_id": "boris", "channel": "email"},
    {"customer_id": "vera", "basket": [{"product_id": "milk", "quantity": 2}]},
    {"customer_id": "nobody knows", "limit": 4},
]


def event(number: int, kind: EventType, who: str, hours: float, **fields: Any) -> Event:
    at = NOW - int(hours * MICROSECONDS_PER_HOUR)
    return Event(event_id=str(number), type=kind, occurred_at=at, customer_id=who, **fields)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Application]:
    store = open_store(tmp_path)
    percent = OfferKind.DISCOUNT_PERCENT
    offers = [
        Offer(offer_id="milk", kind=percent, value=10.0, target=Target(products=("milk",))),
        Offer(offer_id="tea", kind=percent, value=10.0, target=Target(products=("sencha",)), channels=("email", "app")),
        Offer(offer_id="gold", kind=percent, value=5.0, priority=30.0),
        Offer(offer_id="few", kind=OfferKind.GIFT, target=Target(categories=("tea",))),
    ]
    customers = [
        Customer(customer_id="anna", tier="gold", attributes={"age": 25.0, "city": "Omsk"}),
        Customer(customer_id="boris", attributes={"age": 40.0}),
    ]
    heard = [
        event(n, EventType.PURCHASE, who, 24.0 * n, product_id=product, amount=50_000, channel="email")
        for n, (who, product) in enumerate([("anna", "milk"), ("boris", "sencha"), ("vera", "milk")] * 3, start=1)
    ]
    heard += [
        event(90, EventType.OFFER_DECLINED, "boris", 30, offer_id="tea"),
        event(91, EventType.UNSUBSCRIBED, "vera", 40, channel="sms"),
    ]
    with store.writing() as connection:
        products = [Product(product_id="milk", price=20_000, category="dairy"),
                    Product(product_id="sencha", category="tea", price=90_000)]  # fmt: skip
        upsert_products(connection, products, NOW)
        upsert_customers(connection, customers, NOW)
        upsert_offers(connection, offers, NOW)
        append(connection, heard, NOW, lake=store.lake)
    store.close()
    application = open_application(Settings(workspace=tmp_path), lambda: NOW, "default")
    yield application
    application.close()


def applied(service: Application, document: dict[str, Any]) -> None:
    with service.store.writing() as connection:
        apply_policy(connection, "default", parse_policy(document), "anna", NOW)
    service.loader.refresh()


def ask(service: Application, **question: Any) -> dict[str, Any]:
    return dict(json.loads(asyncio.run(next_best_offer(service, json.dumps(question).encode()))))


def explained(service: Application, decision_id: str) -> dict[str, Any]:
    return dict(json.loads(asyncio.run(explain(service, json.dumps({"decision_id": decision_id}).encode()))))


@pytest.mark.parametrize("file", FILES)
def test_decisions_by_any_policy_are_made_again_to_the_identical_answer(service: Application, file: str) -> None:
    applied(service, FILES[file])

    answers = [ask(service, **question) for question in QUESTIONS * 2]
    told = [explained(service, answer["decision_id"]) for answer in answers]

    assert [one["differences"] for one in told] == [[]] * len(answers)
    assert all(one["is_identical"] for one in told)
    assert len({one["versions"]["policy_content"] for one in told}) == 1


def test_what_a_customer_was_offered_before_bears_on_the_next_answer(service: Application) -> None:
    applied(service, {"epsilon": 0.0, "gaps": [{"hours": 24, "channels": ["email"]}]})

    first = ask(service, customer_id="boris", channel="email")
    by_email = ask(service, customer_id="boris", channel="email")
    by_app = ask(service, customer_id="boris", channel="app")

    assert first["offers"]
    assert (by_email["offers"], by_email["excluded"]["too_soon"]) == ([], 3)
    assert by_app["offers"]


@pytest.mark.parametrize(
    ("limit", "reason"),
    [({"gaps": [{"hours": 24}]}, "too_soon"), ({"caps": [{"count": 1, "days": 1}]}, "offered_enough"),
     ({"gaps": [{"hours": 24, "channels": ["email"]}]}, "too_soon")],
)  # fmt: skip
def test_who_asks_several_times_at_once_is_offered_but_once(
    service: Application, limit: dict[str, Any], reason: str
) -> None:
    applied(service, {"epsilon": 0.0, **limit})
    question = json.dumps({"customer_id": "anna", "channel": "email"}).encode()

    async def ask_together() -> list[bytes]:
        return list(await asyncio.gather(*(next_best_offer(service, question) for _ in range(5))))

    answers = [json.loads(answer) for answer in asyncio.run(ask_together())]

    assert sorted(len(answer["offers"]) for answer in answers) == [0, 0, 0, 0, 1]
    assert {answer["no_offer_reason"] for answer in answers} == {None, reason}
    assert all(explained(service, answer["decision_id"])["is_identical"] for answer in answers)


def test_a_menu_that_others_took_a_part_of_keeps_the_rest(service: Application) -> None:
    applied(service, {"epsilon": 0.0, "caps": [{"count": 3, "days": 1}]})
    question = json.dumps({"customer_id": "anna", "channel": "app", "limit": 2}).encode()

    async def ask_together() -> list[bytes]:
        return list(await asyncio.gather(*(next_best_offer(service, question) for _ in range(2))))

    answers = [json.loads(answer) for answer in asyncio.run(ask_together())]

    assert sorted(len(answer["offers"]) for answer in answers) == [1, 2]
    assert all(explained(service, answer["decision_id"])["is_identical"] for answer in answers)


def test_a_policy_applied_later_leaves_earlier_decisions_as_they_were(service: Application) -> None:
    before = ask(service, customer_id="anna")
    applied(service, {"name": "none at all", "least_value": 1_000_000.0, "epsilon": 0.0})
    after = ask(service, customer_id="anna")

    told = [explained(service, answer["decision_id"]) for answer in (before, after)]

    assert [one["is_identical"] for one in told] == [True, True]
    assert after["no_offer_reason"] == "nothing_worth_its_cost"
    assert told[1]["versions"]["policy"] == "none at all v1"


def test_a_decision_by_a_policy_of_before_is_made_again_as_it_was(service: Application) -> None:
    """An earlier version knew neither accounts nor what the first pass leaves out, and kept no such numbers."""
    applied(service, {"shortlist": 2})
    decision_id = ask(service, customer_id="anna")["decision_id"]
    with service.store.writing() as connection:
        logged = json.loads(connection.execute(select(decisions.c.body)).scalar_one())
        assert logged["answer"]["excluded"] == {"first_pass": 2}
        connection.exec_driver_sql("UPDATE policies SET body = json_remove(body, '$.edition', '$.rules', '$.weights')")
        del logged["account"], logged["answer"]["excluded"]
        logged["answer"]["excluded"] = {}
        connection.execute(update(decisions).values(body=json.dumps(logged)))

    told = explained(service, decision_id)

    assert [one["where"] for one in told["differences"]] == ["refusals"]


def test_the_log_says_what_exploring_cost_and_what_a_rule_was_imitated_instead_of(
    service: Application, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    applied(service, {"name": "learn", "epsilon": 0.5})
    learned = [ask(service, customer_id="anna") for _ in range(4)]
    applied(service, {**FILES["apprentice"], "name": "imitate"})
    ask(service, customer_id="anna")

    arguments = ["policy", "cost", "--clock", "2023-11-15", "--workspace", str(tmp_path), "--json"]
    command(arguments, standalone_mode=False)

    told = {one["policy"]: one for one in json.loads(capsys.readouterr().out)["policies"]}
    learn, imitate = told["learn v1"], told["imitate v2"]
    assert (learn["decisions"], learn["accounted"], learn["imitated"]) == (4, 4, 0)
    assert learn["exploration_cost_per_decision"] == pytest.approx(learn["exploration_cost"] / 4)
    assert learn["exploration_cost"] > 0
    offers = [offer for answer in learned for offer in answer["offers"]]
    assert learn["expected_value"] == pytest.approx(sum(offer["expected_value"] for offer in offers))
    assert (imitate["imitated"], imitate["exploration_cost"]) == (1, 0.0)
