"""Snapshots of small worlds, folded from events as the service folds them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from features.batching import to_batch
from features.events import Event, EventType
from features.history import Snapshot
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profile import fold
from features.profiles import Profiles, concatenate
from features.vector import vector

Order = tuple[float, Sequence[str]]
"""The day, and what was bought."""
SnapshotOf = Callable[..., Snapshot]
ProfilesOf = Callable[..., Profiles]
MONDAY = 4 * MICROSECONDS_PER_DAY
"""1970-01-05, the first Monday; day 0 of these worlds."""


@pytest.fixture(scope="session")
def profiles_of() -> ProfilesOf:
    """Profiles of customers by id from their orders before a day."""

    def make(orders: Mapping[str, Sequence[Order]], before_day: float = np.inf) -> Profiles:
        return concatenate([to_batch(customer, fold(_events(customer, of, before_day), "UTC"), "UTC")
                            for customer, of in orders.items()])  # fmt: skip

    return make


@pytest.fixture(scope="session")
def snapshot_of(profiles_of: ProfilesOf) -> SnapshotOf:
    """What was known of customers before a day, and what they bought in the days after it."""

    def make(orders: Mapping[str, Sequence[Order]], day: float, horizon_days: int = 14) -> Snapshot:
        later = [sorted(order for order in of if day <= order[0] < day + horizon_days) for of in orders.values()]
        as_of, profiles = instant_of(day), profiles_of(orders, day)
        hours = [int(at * 24) % 168 for of in later for at, _ in of]
        counts = np.array([len(of) for of in later], dtype=np.int64)
        return Snapshot(as_of, horizon_days, profiles, vector(profiles, as_of), counts, np.zeros(len(counts)),
                        [list(of[0][1]) if of else [] for of in later],
                        np.concatenate([[0], np.cumsum(counts)]), np.array(hours, dtype=np.uint8))  # fmt: skip

    return make


@pytest.fixture(scope="session")
def habits() -> dict[str, list[Order]]:
    """120 customers for 26 weeks: milk or tea (their habit) most weeks, at an hour of their own, and something else."""
    generator = np.random.default_rng(7)
    products = [f"p{number}" for number in range(40)]
    orders: dict[str, list[Order]] = {}
    for customer in range(120):
        habit = "milk" if customer % 2 else "tea"
        hour = (9 if customer % 3 else 18) + 24 * (customer % 5)
        orders[f"c{customer:03}"] = [
            (7 * week + hour / 24, [habit, *generator.choice(products, size=2, replace=False).tolist()])
            for week in range(26)
            if generator.random() < 0.8
        ]
    return orders


@pytest.fixture(scope="session")
def past(habits: dict[str, list[Order]], snapshot_of: SnapshotOf) -> list[Snapshot]:
    """Three cutoffs; the answers to each were known at the next."""
    return [snapshot_of(habits, day) for day in (91, 119, 147)]


@pytest.fixture(scope="session")
def future(habits: dict[str, list[Order]], snapshot_of: SnapshotOf) -> Snapshot:
    """A later cutoff, held out."""
    return snapshot_of(habits, 168)


def instant_of(day: float) -> Instant:
    return MONDAY + round(day * MICROSECONDS_PER_DAY)


def _events(customer: str, orders: Sequence[Order], before_day: float) -> list[Event]:
    return [
        Event(event_id=f"{customer}-{day}-{number}", type=EventType.PURCHASE, occurred_at=instant_of(day),
              customer_id=customer, product_id=product, amount=10_000, order_id=f"{customer}-{day}")
        for day, products in orders
        if day < before_day
        for number, product in enumerate(products)
    ]  # fmt: skip
