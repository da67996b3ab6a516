"""Who refused the use of their purchases is measured, and teaches nobody what they bought or when."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, parse
from features.store import Store, open_store
from features.vector import BROWSING, FEATURES, MESSAGES, PURCHASES
from training.learners import learner
from training.slices import slices_of
from training.training_data import TrainingData, gather

START = parse("2017-06-05")
DAY = MICROSECONDS_PER_DAY
ALWAYS = {f"c{number}" for number in range(0, 30)}
"""Had refused before they bought anything."""
LATE = {f"c{number}" for number in range(30, 45)}
"""Refused on the day before the newest cutoff."""
LATE_OTHERS = {BROWSING: {"c45", "c46"}, MESSAGES: {"c47", "c48"}}
"""Likewise, something else."""
AFTER = "c49"
"""Refused after the newest cutoff."""


def refusal(customer: str, at: int, purpose: str = PURCHASES) -> Event:
    return Event(
        event_id=f"no-{customer}",
        type=EventType.CONSENT_CHANGED,
        occurred_at=at,
        customer_id=customer,
        purpose=purpose,
        granted=False,
    )


def data_of(folder: Path, events: list[Event]) -> TrainingData:
    store: Store = open_store(folder)
    words = [refusal(customer, START - DAY) for customer in sorted(ALWAYS)]
    words += [refusal(customer, START + 40 * DAY) for customer in sorted(LATE)]
    words += [refusal(one, START + 40 * DAY, purpose) for purpose, some in LATE_OTHERS.items() for one in sorted(some)]
    words.append(refusal(AFTER, START + 45 * DAY))
    end = Event(event_id="end", type=EventType.VIEW, occurred_at=START + 51 * DAY, customer_id="c149", product_id="p1")
    with store.writing() as connection:
        append(connection, [*words, *events, end], START + 60 * DAY, lake=store.lake)
    found = gather(store, "default", None, 10, 0)
    store.close()
    return found


def other_purchases(event: Event) -> Event:
    """As often and for as much, but something else at another time of day."""
    if event.customer_id not in ALWAYS | LATE:
        return event
    product, later = int((event.product_id or "p0").removeprefix("p")), 3 * MICROSECONDS_PER_HOUR
    return replace(event, product_id=f"p{(product + 7) % 20}", occurred_at=event.occurred_at + later)


@pytest.fixture(scope="module")
def both(shopping: Callable[[int], list[Event]], tmp_path_factory: pytest.TempPathFactory) -> list[TrainingData]:
    folder, events = tmp_path_factory.mktemp("refused"), shopping(1)
    return [data_of(folder / "one", events), data_of(folder / "other", [other_purchases(event) for event in events])]


def test_who_refused_since_is_left_out_of_earlier_cutoffs(both: list[TrainingData]) -> None:
    data = both[0]

    known = [set(snapshot.profiles.customer_ids) for snapshot in data.snapshots]

    late = LATE.union(*LATE_OTHERS.values())
    assert all(not late & customers for customers in known[:-1])
    assert all(customers & ALWAYS for customers in known)


def test_the_share_of_those_who_refuse_tells_also_of_who_is_left_out(both: list[TrainingData]) -> None:
    data, refused = both[0], ALWAYS.union(LATE, *LATE_OTHERS.values())

    customers = data.validation.profiles.customer_ids

    assert AFTER not in customers
    assert data.refusing == pytest.approx((len(refused) + 1) / (len(customers) + 1))


def test_who_refused_is_measured_with_nothing_known_of_their_purchases(both: list[TrainingData]) -> None:
    held_out = both[0].validation

    rows = np.flatnonzero(slices_of(held_out)["opted_out"])

    assert {held_out.profiles.customer_ids[row] for row in rows} >= ALWAYS
    assert np.isnan(held_out.features[rows, FEATURES.index("orders")]).all()
    assert np.diff(held_out.profiles.orders.offsets)[rows].sum() == 0
    assert held_out.orders[rows].sum() > 0
    assert any(held_out.next_basket[row] for row in rows)


@pytest.mark.parametrize("name", ["send-time", "favourite-product"])
def test_what_refused_customers_bought_and_when_changes_no_model(name: str, both: list[TrainingData]) -> None:
    saying: Callable[[Any, TrainingData], Any] = {
        "send-time": lambda model, data: model.presence(data.validation.profiles, data.validation.as_of).tolist(),
        "favourite-product": lambda model, data: model.rank(data.validation.profiles, data.validation.as_of, 5),
    }[name]

    one, other = (saying(learner(name).fit(data.snapshots, {}, 0), both[0]) for data in both)

    assert one == other
