"""Nothing at or after a cutoff may reach a feature, and no label its own prediction; each check is shown to fail."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace as altered
from numpy.typing import NDArray

from features.event_log import append
from features.events import Event, EventType
from features.history import Snapshot, open_history
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, Instant, parse
from features.store import open_store
from features.vector import FEATURES
from training.learners import learner
from training.sample import take

START = parse("2017-06-05")
CUTOFF = START + 30 * MICROSECONDS_PER_DAY
HORIZON_DAYS = 14
CUSTOMERS = 6_000
"""So many that chance alone moves an area under the curve by 0.03 once in 1,000 times; the seeds are fixed."""
Matrix = tuple[list[str], NDArray[np.float64]]
SnapshotsOf = Callable[[Sequence[Event], Sequence[Instant]], list[Snapshot]]
Features = Callable[[SnapshotsOf, Sequence[Event], Instant], Matrix]


@pytest.fixture
def snapshots_of(tmp_path: Path) -> SnapshotsOf:
    """Snapshots by the real path: a new store, its log, its history."""
    numbers = count()

    def make(events: Sequence[Event], cutoffs: Sequence[Instant]) -> list[Snapshot]:
        store = open_store(tmp_path / f"workspace-{next(numbers)}")
        with store.writing() as connection:
            append(connection, events, max(event.occurred_at for event in events), lake=store.lake)
        with open_history(store, "default") as history:
            found = [history.snapshot(cutoff, HORIZON_DAYS) for cutoff in cutoffs]
        store.close()
        return found

    return make


@pytest.fixture(scope="module")
def events(shopping: Callable[[int], list[Event]]) -> list[Event]:
    """A small shop, with a purchase, a view and a refund at the very cutoff."""
    kinds = (EventType.PURCHASE, EventType.VIEW, EventType.REFUND)
    at_the_cutoff = [
        Event(event_id=f"at-{kind}", type=kind, occurred_at=CUTOFF, customer_id="c1", product_id="p1", amount=70_000)
        for kind in kinds
    ]
    return [*shopping(3), *at_the_cutoff]


def another_future(events: Sequence[Event], cutoff: Instant) -> list[Event]:
    """The same past; whatever happened at or after the cutoff happens later, and to ten times the amount."""
    return [
        event
        if event.occurred_at < cutoff
        else altered(
            event,
            occurred_at=event.occurred_at + 2 * MICROSECONDS_PER_DAY + 5 * MICROSECONDS_PER_HOUR,
            amount=None if event.amount is None else event.amount * 10,
        )
        for event in events
    ]


def leaking(compute: Features, snapshots_of: SnapshotsOf, events: Sequence[Event], cutoff: Instant) -> list[int]:
    """The columns that another future changes; all of them if it changes of whom there are any."""
    ids, before = compute(snapshots_of, events, cutoff)
    ids_after, after = compute(snapshots_of, another_future(events, cutoff), cutoff)
    if ids != ids_after:
        return list(range(before.shape[1]))
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    return np.flatnonzero(~same.all(axis=0)).tolist()


def ours(snapshots_of: SnapshotsOf, events: Sequence[Event], cutoff: Instant) -> Matrix:
    """Also by way of an earlier cutoff, to whose profiles those of this one are added."""
    _, snapshot = snapshots_of(events, [cutoff - 7 * MICROSECONDS_PER_DAY, cutoff])
    return snapshot.profiles.customer_ids, snapshot.features


def with_the_instant_itself(snapshots_of: SnapshotsOf, events: Sequence[Event], cutoff: Instant) -> Matrix:
    """Leaky by one microsecond: it sees what happened at the cutoff."""
    [snapshot] = snapshots_of(events, [cutoff + 1])
    return snapshot.profiles.customer_ids, snapshot.features


def with_the_spend_to_come(snapshots_of: SnapshotsOf, events: Sequence[Event], cutoff: Instant) -> Matrix:
    """Leaky in one more column, as a label joined to the wrong side is."""
    [snapshot] = snapshots_of(events, [cutoff])
    return snapshot.profiles.customer_ids, np.column_stack([snapshot.features, snapshot.spend])


def test_moving_everything_from_the_cutoff_on_changes_no_feature(
    snapshots_of: SnapshotsOf, events: list[Event]
) -> None:
    names = [FEATURES[column] for column in leaking(ours, snapshots_of, events, CUTOFF)]

    assert names == []


def test_a_feature_that_sees_the_cutoff_itself_is_caught(snapshots_of: SnapshotsOf, events: list[Event]) -> None:
    names = {FEATURES[column] for column in leaking(with_the_instant_itself, snapshots_of, events, CUTOFF)}

    assert {"orders", "spend", "views", "days_since_last_order"} <= names


def test_a_feature_of_the_horizon_is_caught(snapshots_of: SnapshotsOf, events: list[Event]) -> None:
    assert leaking(with_the_spend_to_come, snapshots_of, events, CUTOFF) == [len(FEATURES)]


def test_moving_a_past_event_does_change_features(snapshots_of: SnapshotsOf, events: list[Event]) -> None:
    before, after = (ours(snapshots_of, some, CUTOFF)[1] for some in (events, another_future(events, START)))

    assert not np.array_equal(before, after, equal_nan=True)


@pytest.fixture
def crowd(snapshots_of: SnapshotsOf, shopping: Callable[[int], list[Event]]) -> list[Snapshot]:
    """Three cutoffs of many customers, drawn with replacement from a small shop; the last one is held out."""
    days = (14, 21, 35)
    generator = np.random.default_rng(5)
    small = snapshots_of(shopping(4), [START + day * MICROSECONDS_PER_DAY for day in days])
    return [take(snapshot, generator.integers(0, len(snapshot.profiles), CUSTOMERS)) for snapshot in small]


def with_shuffled_labels(snapshot: Snapshot, generator: np.random.Generator) -> Snapshot:
    """What came of one customer is said of another."""
    order = generator.permutation(len(snapshot.profiles))
    other = take(snapshot, order)
    return replace(other, profiles=snapshot.profiles, features=snapshot.features)


def with_a_leak(snapshot: Snapshot) -> Snapshot:
    """A feature that is a noisy look at the label."""
    features = snapshot.features.copy()
    noise = np.random.default_rng(6).normal(size=len(features))
    features[:, FEATURES.index("days_since_last_order")] = 10.0 + 2.0 * (snapshot.orders == 0) + noise
    return replace(snapshot, features=features)


def area_under_curve(snapshots: Sequence[Snapshot]) -> float:
    """Of churn, trained on all but the last cutoff and measured on that."""
    churn = learner("churn")
    model = churn.fit(snapshots[:-1], {}, seed=0)
    return float(churn.evaluate(model, snapshots[-1]).metrics["auc"])


def test_shuffled_labels_can_not_be_learned(crowd: list[Snapshot]) -> None:
    generator = np.random.default_rng(8)
    shuffled = [with_shuffled_labels(snapshot, generator) for snapshot in crowd]

    assert 0.47 <= area_under_curve(shuffled) <= 0.53
    assert area_under_curve(crowd) > 0.6  # where the labels are left in place there is something to learn
    assert area_under_curve([with_a_leak(snapshot) for snapshot in shuffled]) > 0.8
