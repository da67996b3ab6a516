"""What was presented, and what counts as the response to it."""

import numpy as np
import pytest

from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY
from features.presented import Presented, presented
from features.presented_terms import Attribution, Outcome, ResponseTerms
from features.store import Store

START = 1_500_000_000_000_000
LATE = START + 1_000 * MICROSECONDS_PER_DAY


def at(day: float) -> int:
    return START + int(day * MICROSECONDS_PER_DAY)


def shown(event_id: str, day: float, offer_id: str = "a", customer: str = "anna", **more) -> Event:
    return Event(event_id=event_id, type=EventType.OFFER_PRESENTED, occurred_at=at(day), customer_id=customer,
                 offer_id=offer_id, **more)  # fmt: skip


def happened(event_id: str, type_: EventType, day: float, customer: str = "anna", **more) -> Event:
    return Event(event_id=event_id, type=type_, occurred_at=at(day), customer_id=customer, **more)


def found(store: Store, *events: Event, as_of: int | None = None, **terms) -> Presented:
    with store.writing() as connection:
        append(connection, list(events), LATE, lake=store.lake)
    return presented(store, "default", at(100) if as_of is None else as_of, ResponseTerms(**terms))


def test_an_acceptance_speaks_for_the_decision_that_it_names(store: Store) -> None:
    seen = found(
        store,
        shown("p1", 1, decision_id="d1", propensity=0.5),
        shown("p2", 2, decision_id="d2", propensity=0.25),
        happened("y", EventType.OFFER_ACCEPTED, 3, offer_id="a", decision_id="d1"),
    )

    assert seen.decision_ids == ["d1", "d2"]
    assert seen.response.tolist() == [1.0, 0.0]
    assert seen.propensity.tolist() == [0.5, 0.25]


def test_an_acceptance_without_a_decision_speaks_for_the_last_presentation_of_its_offer(store: Store) -> None:
    seen = found(
        store,
        shown("p1", 1),
        shown("p2", 5),
        shown("p3", 6, offer_id="b"),
        happened("y", EventType.OFFER_ACCEPTED, 7, offer_id="a"),
    )

    assert seen.response.tolist() == [0.0, 1.0, 0.0]
    assert seen.without_propensity == 3


@pytest.mark.parametrize(("day", "responded"), [(0.9, 0.0), (1.0, 1.0), (7.9, 1.0), (8.0, 0.0)])
def test_the_window_begins_with_the_presentation_and_ends_before_its_end(
    sqlite_store: Store, day: float, responded: float
) -> None:
    seen = found(sqlite_store, shown("p", 1), happened("v", EventType.VIEW, day), outcome=Outcome.VIEW, window_days=7)

    assert seen.response.tolist() == [responded]


def test_spend_counts_for_every_window_it_falls_into_or_for_the_last_presentation(sqlite_store: Store) -> None:
    events = (
        shown("p1", 1),
        shown("p2", 4, offer_id="none"),
        happened("b", EventType.PURCHASE, 5, amount=30_000, order_id="1"),
        happened("c", EventType.PURCHASE, 6, amount=90_000, order_id="2"),
        happened("x", EventType.ORDER_CANCELLED, 7, order_id="2"),
    )

    for_any = found(sqlite_store, *events, outcome=Outcome.SPEND)
    for_last = found(sqlite_store, outcome=Outcome.SPEND, attribution=Attribution.LAST)

    assert for_any.response.tolist() == [3.0, 3.0]
    assert for_last.response.tolist() == [0.0, 3.0]
    assert for_any.is_control.tolist() == [False, True]


def test_a_window_that_is_not_over_is_left_out_and_it_is_said_when_the_first_will_be(sqlite_store: Store) -> None:
    seen = found(sqlite_store, shown("p1", 1), shown("p2", 5), as_of=at(17))
    none = presented(sqlite_store, "default", at(10), ResponseTerms())

    assert (len(seen), seen.too_young) == (1, 1)
    assert (len(none), none.too_young, none.first_over_at) == (0, 2, at(15))


def test_who_was_merged_responds_as_one(sqlite_store: Store) -> None:
    seen = found(
        sqlite_store,
        shown("p", 1, customer="device"),
        happened("m", EventType.CUSTOMER_MERGED, 2, merged_customer_id="device"),
        happened("b", EventType.PURCHASE, 3, amount=10_000),
        outcome=Outcome.PURCHASE,
    )

    assert (seen.customer_ids, seen.response.tolist()) == (["anna"], [1.0])


def test_what_is_told_twice_of_one_decision_counts_once(sqlite_store: Store) -> None:
    seen = found(sqlite_store, shown("p1", 1, decision_id="d"), shown("p2", 2, decision_id="d"))

    assert np.array_equal(seen.presented_at, [at(1)])
