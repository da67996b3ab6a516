import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.store import Store
from lagniappe import application
from training.cutoffs import fewest_days
from training.data_report import FALLBACKS, ModelData, holdings, model_data
from training.errors import NotEnoughData
from training.learners import LEARNERS
from training.models.churn import FEWEST_OF_EACH
from training.models.send_time_training import FEWEST_ORDERS
from training.training_data import FEWEST_CUSTOMERS, gather

START = parse("2017-06-05")


def purchases(customers: int, days: int) -> list[Event]:
    return [
        Event(event_id=f"{c}-{d}", type=EventType.PURCHASE, occurred_at=START + d * MICROSECONDS_PER_DAY,
              customer_id=f"c{c}", amount=10_000)
        for c in range(customers) for d in range(days)
    ]  # fmt: skip


def add(store: Store, events: list[Event]) -> None:
    with store.writing() as connection:
        append(connection, events, START + 100 * MICROSECONDS_PER_DAY, lake=store.lake)


def needs(found: ModelData) -> dict[str, tuple[float, float, bool]]:
    return {need.what: (need.have, need.needed, need.is_met) for need in found.needs}


def test_what_there_is_is_counted_before_the_instant(store: Store) -> None:
    add(
        store, [*purchases(3, 10), Event(event_id="m", type=EventType.MESSAGE_SENT, occurred_at=START, customer_id="x")]
    )

    everything, before = (holdings(store, "default", at) for at in (None, START + 5 * MICROSECONDS_PER_DAY))

    assert (everything.customers, everything.events, everything.purchases, everything.messages_sent) == (4, 31, 30, 1)
    assert (everything.days, before.purchases, before.days) == (9.0, 15, 4.0)
    assert holdings(store, "another", None).events == 0


def test_each_model_needs_what_it_declares_itself(shop: Store) -> None:
    data = gather(shop, "default", None, 14, 0)
    found = holdings(shop, "default", None)

    of_model = {model: needs(model_data(model, "default", found, data)) for model in LEARNERS}

    assert of_model["churn"]["customers who did not, to learn from"][1:] == (FEWEST_OF_EACH, True)
    assert of_model["send-time"]["orders after the last cutoffs"][1] == FEWEST_ORDERS
    assert all(one["customers before the last cutoff"][1:] == (FEWEST_CUSTOMERS, True) for one in of_model.values())
    assert all(model_data(model, "default", found, data).fallback is None for model in LEARNERS)


def test_where_something_is_missing_it_is_named_with_what_serves_instead(sqlite_store: Store) -> None:
    add(sqlite_store, purchases(3, 10))

    found = model_data("churn", "default", holdings(sqlite_store, "default", None), None)

    assert found.missing == ["days of history: 9, at least 15", "customers before the last cutoff: 3, at least 20"]
    assert found.fallback == FALLBACKS["churn"]


def test_what_no_count_tells_is_said_in_the_words_of_training(sqlite_store: Store) -> None:
    events = [*purchases(30, 1), Event(event_id="v", type=EventType.VIEW, customer_id="c1",
                                       occurred_at=START + 90 * MICROSECONDS_PER_DAY)]  # fmt: skip
    add(sqlite_store, events)

    with pytest.raises(NotEnoughData) as too_little:
        gather(sqlite_store, "default", None, None, 0)

    found = holdings(sqlite_store, "default", None)
    assert model_data("churn", "default", found, None, None, too_little.value).missing == [str(too_little.value)]


def test_the_horizon_that_was_asked_for_says_how_many_days_are_needed(sqlite_store: Store) -> None:
    found = model_data("churn", "default", holdings(sqlite_store, "default", None), None, horizon_days=400)

    assert needs(found)["days of history"] == (0.0, fewest_days(400), False)


@pytest.fixture
def run(sqlite_store: Store, tracker: object) -> Callable[..., tuple[str, str]]:
    """The command's standard output and standard error."""
    assert tracker

    def call(*arguments: str) -> tuple[str, str]:
        done = CliRunner().invoke(application, [*arguments, "--workspace", str(sqlite_store.workspace)])
        return done.stdout, done.stderr

    return call


def test_train_says_first_what_it_has_and_what_is_missing(
    sqlite_store: Store, run: Callable[..., tuple[str, str]]
) -> None:
    add(sqlite_store, purchases(3, 10))

    out, said = run("train", "churn", "--json")

    assert "default: 3 customers, 30 events (30 purchases, 0 messages sent) in 9 days" in said
    assert f"churn: meanwhile {FALLBACKS['churn']}" in " ".join(said.split())
    [answer] = json.loads(out)
    assert answer["data"]["missing"][0] == "days of history: 9, at least 15"
    assert (answer["skipped"][:7], answer["data"]["holdings"]["customers"]) == ("history", 3)
