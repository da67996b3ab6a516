"""A history of which only a sample of the customers is looked at."""

from pathlib import Path

import numpy as np

from features.event_log import append
from features.events import Event, EventType
from features.history import open_history
from features.instant import MICROSECONDS_PER_DAY, parse
from features.store import open_store

START = parse("2024-03-01")
CUSTOMERS = 40


def purchase(customer, day):
    return Event(event_id=f"{customer}-{day}", type=EventType.PURCHASE, customer_id=customer, amount=10_000 * (day + 1),
                 occurred_at=START + day * MICROSECONDS_PER_DAY, currency="EUR", product_id="tea")  # fmt: skip


def merged(stays, ends, day):
    return Event(event_id=f"{stays}+{ends}", type=EventType.CUSTOMER_MERGED, customer_id=stays, merged_customer_id=ends,
                 occurred_at=START + day * MICROSECONDS_PER_DAY)  # fmt: skip


def test_a_sample_knows_all_of_its_customers_and_nothing_of_others(tmp_path: Path):
    store = open_store(tmp_path / "workspace")
    events = [purchase(f"c{k:02}", day) for k in range(CUSTOMERS) for day in range(k % 5, 30, 3)]
    events += [merged(f"c{k:02}", f"c{k + 1:02}", 31) for k in range(0, CUSTOMERS, 2)]
    with store.writing() as connection:
        append(connection, events, START + 40 * MICROSECONDS_PER_DAY, lake=store.lake)
    cutoff = START + 35 * MICROSECONDS_PER_DAY

    with open_history(store, "default") as history:
        everybody = history.snapshot(cutoff, 7)
        span = history.first_at, history.last_at
    with open_history(store, "default") as history:
        persons = history.keep_sample(12, np.random.default_rng(0))
        some = history.snapshot(cutoff, 7)
        assert (history.first_at, history.last_at) == span
    store.close()

    assert persons == CUSTOMERS // 2
    assert len(some.profiles) == 12
    rows = [everybody.profiles.customer_ids.index(customer) for customer in some.profiles.customer_ids]
    np.testing.assert_allclose(some.features, everybody.features[rows], rtol=1e-9)


def test_everybody_is_kept_where_there_are_few(tmp_path: Path):
    store = open_store(tmp_path / "workspace")
    with store.writing() as connection:
        append(connection, [purchase(f"c{k}", 1) for k in range(3)], START + 40 * MICROSECONDS_PER_DAY, lake=store.lake)

    with open_history(store, "default") as history:
        assert history.keep_sample(3, np.random.default_rng(0)) == 3
        assert history.profiles(None).customer_ids == ["c0", "c1", "c2"]
    store.close()
