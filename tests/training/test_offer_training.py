"""The offer response model from events to a version that serves, and to the file of offers."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.catalogue import upsert_customers, upsert_offers
from features.entities import Customer, Offer, OfferKind
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY
from features.presented_terms import Outcome, ResponseTerms
from features.store import Store
from serving.score_command import write
from training.pipeline import Trained, train
from training.promotion import GateRefusedError, compare, promote

START = 1_500_000_000_000_000
CUSTOMERS = 2_000
SEEN = 30
"""Days of mailings, one a day."""
NOW = START + 100 * MICROSECONDS_PER_DAY


def mailings(seed: int = 3) -> tuple[list[Customer], list[Event]]:
    """The young answer offer a only, the old offer b only; without an offer a tenth buys."""
    generator = np.random.default_rng(seed)
    ages = generator.integers(20, 80, CUSTOMERS)
    customers = [Customer(customer_id=f"c{n}", attributes={"age": float(age)}) for n, age in enumerate(ages)]
    events = []
    for number, age in enumerate(ages.tolist()):
        at = START + int(generator.integers(0, SEEN)) * MICROSECONDS_PER_DAY
        offer_id = ("none", "a", "b")[generator.integers(3)]
        chance = 0.6 if offer_id == ("a" if age < 50 else "b") else 0.1
        about = {"customer_id": f"c{number}", "decision_id": f"d{number}"}
        events.append(Event(event_id=f"p{number}", type=EventType.OFFER_PRESENTED, occurred_at=at, offer_id=offer_id,
                            propensity=1 / 3, **about))  # fmt: skip
        if generator.random() < chance:
            bought = at + MICROSECONDS_PER_DAY
            events.append(Event(event_id=f"b{number}", type=EventType.PURCHASE, occurred_at=bought, amount=100_000,
                                customer_id=f"c{number}"))  # fmt: skip
    return customers, events


@pytest.fixture
def mailed(sqlite_store: Store) -> Store:
    customers, events = mailings()
    offers = [Offer(offer_id=name, kind=OfferKind.DISCOUNT_PERCENT, value=10.0) for name in "ab"]
    with sqlite_store.writing() as connection:
        upsert_customers(connection, customers, START)
        upsert_offers(connection, offers, START)
        append(connection, events, NOW, lake=sqlite_store.lake)
    return sqlite_store


def learn(store: Store, outcome: Outcome = Outcome.PURCHASE, days: int = 7, as_of: int | None = None) -> Trained:
    terms = ResponseTerms(outcome, days)
    [result] = train(store, ["offer-response"], brand="default", now=NOW, as_of=as_of or NOW, response=terms)
    return result


def test_who_is_won_by_which_offer_is_learned_and_written_for_every_customer(mailed: Store, tmp_path: Path) -> None:
    learned = learn(mailed)

    write(mailed, "default", NOW, tmp_path / "s.parquet", favourites=1, with_offers=True, report=lambda *_: None)

    offers = pq.read_table(tmp_path / "s.offers.parquet").to_pandas().set_index(["customer_id", "offer_id"])
    young = [one.customer_id for one in mailings()[0] if one.attributes and float(one.attributes["age"]) < 45]
    uplift = offers.loc[young].groupby("offer_id")["uplift"].mean()
    assert learned.version == "1"
    assert uplift["a"] > 0.3 > 0.15 > uplift["b"]
    assert offers.drop(young, level=0).groupby("offer_id")["uplift"].mean()["a"] < 0.2
    assert offers["reasons"].map(lambda reasons: "response_learned" in reasons).all()
    assert offers.loc[young].groupby("offer_id")["expected_value"].mean().idxmax() == "a"
    assert learned.metrics["log_loss"] < learned.baselines["rate_of_each_offer"]["log_loss"]


def test_a_version_is_compared_with_the_champion_on_what_both_had_not_seen(mailed: Store) -> None:
    learn(mailed, as_of=START + 30 * MICROSECONDS_PER_DAY)
    learn(mailed)

    comparison = compare(mailed, "default", "offer-response")
    deployed, _ = promote(mailed, "default", "offer-response", "2", NOW)

    assert comparison.differences[0].metric == "log_loss"
    assert comparison.differences[0].customers > 50
    assert deployed.version == "2"


def test_what_counts_as_a_response_is_not_changed_unseen(mailed: Store) -> None:
    learn(mailed)
    learn(mailed, Outcome.SPEND)

    with pytest.raises(GateRefusedError, match="same_response: learned from spend within 7 days"):
        promote(mailed, "default", "offer-response", "2", NOW)


def test_when_no_window_is_over_the_time_from_which_on_one_is_stands_in_the_reason(mailed: Store) -> None:
    skipped = learn(mailed, days=30, as_of=START + 5 * MICROSECONDS_PER_DAY).skipped

    assert skipped is not None
    assert skipped.endswith("expected 2017-08-13T02:40:00Z or later")
