"""What moved the models of a decision, what other versions would have said, and what the customer is told."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from features.catalogue import upsert_offers, upsert_products
from features.entities import Offer, OfferKind, Product, Target
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.settings import Settings
from features.store import Store, open_store
from features.vector import FEATURES, FINGERPRINT
from lagniappe import application as command
from serving.application import Application, open_application
from serving.errors import BadRequestError
from serving.handlers.explain import explain
from serving.handlers.next_best_offer import next_best_offer
from training.models.calibration import Blend
from training.models.churn import ChurnModel
from training.models.recency_frequency import NAMES, RecencyFrequency
from training.models.season import NO_SEASON
from training.models.trees import flatten
from training.registry import CHALLENGER, CHAMPION, deploy
from training.version_record import DataWindow, VersionRecord, write_record

NOW = parse("2025-11-22T10:00:00Z")  # a Saturday
WEEK = 7 * MICROSECONDS_PER_DAY


def churn_version(seed: int, folder: Path) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.exponential(20.0, (300, len(FEATURES)))
    target = (rows[:, FEATURES.index("days_since_last_order")] + generator.normal(0, 9, 300) > 15).astype(float)
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": seed}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, target), 20)
    simple = RecencyFrequency(np.full(len(NAMES), 2.0), generator.normal(size=len(NAMES)) / 3, -0.5)
    ChurnModel(simple, flatten(booster), Blend(0.4, 0.7, 0.1), NO_SEASON, 0, 30, {}).save(folder)
    window = DataWindow(0, NOW, 30, (), 0, 0, 0, 0)
    write_record(VersionRecord("churn", "default", FINGERPRINT, window, {}, {}, {}), folder)


def fill(store: Store) -> None:
    bought = [
        Event(event_id=f"{n}", type=EventType.PURCHASE, occurred_at=NOW - n * WEEK, customer_id="anna",
              product_id="arabica", amount=80_000, order_id=f"o{n}")
        for n in range(1, 9)
    ]  # fmt: skip
    offer = Offer(offer_id="beans", kind=OfferKind.DISCOUNT_PERCENT, value=10.0, target=Target(categories=("coffee",)))
    with store.writing() as connection:
        upsert_products(
            connection, [Product(product_id="arabica", name="Arabica", category="coffee", price=80_000)], NOW
        )
        upsert_offers(connection, [offer], NOW)
        append(connection, bought, NOW, lake=store.lake)
        for number, alias in (("1", CHAMPION), ("2", CHALLENGER)):
            folder = store.models / f"churn-{number}"
            folder.mkdir(parents=True)
            churn_version(int(number), folder)
            deploy(connection, "default", "churn", number, alias, None, f"{folder}", NOW, None)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Application]:
    store = open_store(tmp_path)
    fill(store)
    store.close()
    application = open_application(Settings(workspace=tmp_path), lambda: NOW, "default")
    yield application
    application.close()


def decided(service: Application) -> dict[str, Any]:
    """A decision that made the offer: now and then one explores what nothing would do."""
    while True:
        answer = json.loads(asyncio.run(next_best_offer(service, b'{"customer_id": "anna"}')))
        if answer["offers"]:
            return dict(answer)


def explained(service: Application, decision_id: str, **further: Any) -> dict[str, Any]:
    body = json.dumps({"decision_id": decision_id, **further}).encode()
    return dict(json.loads(asyncio.run(explain(service, body))))


def test_what_moved_the_chance_of_churn_sums_to_it(service: Application) -> None:
    told = explained(service, decided(service)["decision_id"])

    moved, chance = told["contributions"]["churn"], told["scores"]["churn_probability"]
    assert moved["version"] == "1"
    assert moved["score"] == pytest.approx(np.log(chance / (1 - chance)), rel=1e-9)
    assert moved["base"] + sum(one["adds"] for one in moved["of_features"]) == pytest.approx(moved["score"], rel=1e-9)
    sizes = [abs(one["adds"]) for one in moved["of_features"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(one["value"] == told["inputs"][one["feature"]] for one in moved["of_features"])


def test_what_an_expected_value_is_made_of_sums_to_it(service: Application) -> None:
    told = explained(service, decided(service)["decision_id"])

    (offer,) = told["answer"]["offers"]
    parts = told["value"][offer["offer_id"]]
    assert sum(parts.values()) == pytest.approx(offer["expected_value"])
    assert parts["policy"] == pytest.approx(0.0, abs=1e-12)
    assert parts["cost"] < 0 < parts["added_margin"]


def test_the_customer_is_told_of_the_habit_and_the_marketer_of_the_reasons(service: Application) -> None:
    words = explained(service, decided(service)["decision_id"])["words"]

    assert words["customer"] == {
        "en": "10% off coffee. Because you buy “Arabica” about every 7 days, mostly on Saturdays, "
        "and it runs out about now.",
        "ru": "Скидка 10 % на «coffee». Потому что вы покупаете «Arabica» примерно раз в 7 дн., чаще по субботам, "
        "и запас кончится примерно сейчас.",
    }
    assert "most of that is due to" in words["marketer"]["en"]


def test_a_habit_that_must_not_be_used_is_not_told_of(service: Application) -> None:
    decision_id = decided(service)["decision_id"]
    refusal = Event(event_id="no", type=EventType.CONSENT_CHANGED, occurred_at=NOW - 1, customer_id="anna",
                    purpose="purchases", granted=False)  # fmt: skip
    with service.store.writing() as connection:
        append(connection, [refusal], NOW, lake=service.store.lake)

    assert "Arabica" not in json.dumps(explained(service, decision_id)["words"])
    told = explained(service, decided(service)["decision_id"])
    assert "Arabica" not in json.dumps(told["words"])
    unknown = {one["feature"] for one in told["contributions"]["churn"]["of_features"] if one["value"] is None}
    assert "days_since_last_order" in unknown
    assert "last order" not in told["words"]["marketer"]["en"]


@pytest.mark.parametrize("version", ["2", "churn:2"])
def test_another_version_is_tried_on_it(service: Application, version: str) -> None:
    decision_id = decided(service)["decision_id"]

    told = explained(service, decision_id, version=version)

    instead = told["instead"]
    assert told["is_identical"] is True
    assert instead["versions"] == {"churn": "2"}
    assert instead["answer"]["model_versions"] == {"churn": "2"}
    values = [{one["offer_id"]: one["expected_value"] for one in of} for of in
              (told["candidates"], instead["candidates"])]  # fmt: skip
    assert values[0].keys() == values[1].keys()
    assert values[0]["beans"] != values[1]["beans"]


def test_the_same_version_says_the_same_again(service: Application) -> None:
    told = explained(service, decided(service)["decision_id"], version="churn:1")

    assert told["instead"]["answer"] == told["answer"]
    assert told["instead"]["candidates"] == told["candidates"]


@pytest.mark.parametrize("version", ["9", "churn:9", "chrun:1", ":"])
def test_a_version_that_is_not_there_is_refused(service: Application, version: str) -> None:
    decision_id = decided(service)["decision_id"]

    with pytest.raises(BadRequestError, match="expected a version that was registered"):
        explained(service, decision_id, version=version)


def test_the_command_shows_what_moved_the_models(
    service: Application, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decision_id = decided(service)["decision_id"]

    command(["explain", decision_id, "--version", "churn:2", "--workspace", str(tmp_path)], standalone_mode=False)

    told = capsys.readouterr().out
    assert "churn 1, log odds of not coming back" in told
    assert "by churn 2: " in told
