"""Everyone as of an instant: from the store where nothing happened since, else from the log, and all the same."""

from collections.abc import Sequence

import numpy as np
import pytest

from features import everybody as module
from features.batching import to_profile
from features.catalogue import upsert_customers
from features.entities import Customer
from features.event_log import append
from features.events import Event, EventType
from features.everybody import everybody
from features.history import open_history
from features.instant import MICROSECONDS_PER_DAY, parse
from features.profiles import Profiles
from features.store import Store
from tests.features.test_profile_sums import assert_same

START = parse("2024-03-01")
DAYS = 30


def at(day: float) -> int:
    return START + int(day * MICROSECONDS_PER_DAY)


def some_history(seed: int, customers: int = 30) -> list[Event]:
    """Purchases, orders that were cancelled, and customers who turned out to be one, all at random times."""
    draw = np.random.default_rng(seed)
    events = []
    for number in range(150):
        customer, day = f"c{draw.integers(customers):02}", float(draw.uniform(0, DAYS))
        product, order = f"p{draw.integers(6)}", f"o{number // 2}"
        shared = {"customer_id": customer, "order_id": f"{customer}-{order}"}
        events.append(Event(event_id=f"e{number}", type=EventType.PURCHASE, occurred_at=at(day), amount=10_000,
                            currency="EUR", product_id=product, **shared))  # fmt: skip
        if draw.random() < 0.1:
            events.append(
                Event(event_id=f"x{number}", type=EventType.ORDER_CANCELLED, occurred_at=at(day + 2), **shared)
            )
    for number in range(5):
        stays, ends = (f"c{one:02}" for one in draw.choice(customers, 2, replace=False))
        events.append(Event(event_id=f"m{number}", type=EventType.CUSTOMER_MERGED, customer_id=stays,
                            merged_customer_id=ends, occurred_at=at(draw.uniform(0, DAYS))))  # fmt: skip
    return sorted(events, key=lambda event: event.occurred_at)


def fill(store: Store, events: Sequence[Event]) -> None:
    with store.writing() as connection:
        # c03 and c04 have a row and events, the others a row alone.
        upsert_customers(connection, [Customer(customer_id=one) for one in ("a-new", "c03", "c04", "z-new")], START)
        append(connection, events, at(60), lake=store.lake)


def listed(store: Store, day: float, size: int) -> list[Profiles]:
    with store.reading() as connection:
        people = everybody(connection, store, "default", at(day))
    with open_history(store, "default", before=at(day)) as history:
        return list(people.batches(history, size))


@pytest.mark.parametrize(("seed", "day"), [(0, 0.0), (0, 3.0), (1, 11.5), (1, 20.0), (0, 31.0)])
def test_everybody_is_as_the_log_says(sqlite_store: Store, monkeypatch, seed: int, day: float) -> None:
    monkeypatch.setattr(module, "_FOLDED_AT_ONCE", 10)
    fill(sqlite_store, some_history(seed))
    with open_history(sqlite_store, "default", before=at(day)) as history:
        expected = history.profiles(at(day), include_registered=True)

    found = listed(sqlite_store, day, size=7)

    assert [one for batch in found for one in batch.customer_ids] == expected.customer_ids
    assert max(map(len, found)) <= 7
    rows = [batch.take([row]) for batch in found for row in range(len(batch))]
    for row, one in enumerate(rows):
        assert_same(to_profile(one), to_profile(expected.take([row])))


def test_what_is_taken_in_after_the_listing_changes_nothing(sqlite_store: Store) -> None:
    """The profile in the store then holds what happened later; the log still tells what was before."""
    fill(sqlite_store, some_history(0))
    with sqlite_store.reading() as connection:
        people = everybody(connection, sqlite_store, "default", at(40))
    with open_history(sqlite_store, "default", before=at(40)) as history:
        expected = list(people.batches(history))
        later = [
            Event(event_id=f"late-{one}", type=EventType.PURCHASE, customer_id=one, amount=10_000, currency="EUR",
                  occurred_at=at(41))
            for one in ("a-new", "c03", "c05")
        ]  # fmt: skip
        with sqlite_store.writing() as connection:
            append(connection, later, at(60), lake=sqlite_store.lake)
        found = list(people.batches(history))

    before, after = by_customer(expected), by_customer(found)
    assert before.keys() == after.keys()
    for one, other in before.items():
        assert_same(to_profile(after[one]), to_profile(other))


def by_customer(batches: Sequence[Profiles]) -> dict[str, Profiles]:
    return {one: batch.take([row]) for batch in batches for row, one in enumerate(batch.customer_ids)}


def test_nobody_is_there_before_the_first_event(sqlite_store: Store) -> None:
    assert listed(sqlite_store, 5.0, size=7) == []
