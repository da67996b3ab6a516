import json
from collections.abc import Callable

import pytest
from sqlalchemy import insert

from experiments import experiment_store
from experiments.design import Experiment, Variant
from features.instant import MICROSECONDS_PER_HOUR, MICROSECONDS_PER_SECOND, Instant
from features.schema import decisions
from features.store import Store
from training.decision_counts import decisions_by_version
from training.registry import CHAMPION, deploy

HOUR = MICROSECONDS_PER_HOUR
DAY = 24 * HOUR
Decide = Callable[..., None]


@pytest.fixture
def decide(store: Store) -> Decide:
    """Logs ``count`` decisions of versions of churn, one a second from ``at`` on."""
    made = 0

    def make(at: Instant, version: str, count: int = 1, brand: str = "default") -> None:
        nonlocal made
        rows = []
        for number in range(count):
            made += 1
            moment = at + number * MICROSECONDS_PER_SECOND
            body = {"request": {}, "answer": {"offers": [], "model_versions": {"churn": version}}, "candidates": []}
            rows.append({"decision_id": f"d{made}", "brand": brand, "customer_id": f"c{made % 7}", "offer_id": "none",
                         "decided_at": moment, "expires_at": moment, "body": json.dumps(body)})  # fmt: skip
        with store.writing() as connection:
            connection.execute(insert(decisions), rows)

    return make


def deployed(store: Store, version: str, at: Instant) -> None:
    with store.writing() as connection:
        deploy(connection, "default", "churn", version, CHAMPION, None, "models/none", at, "promoted")


def counted(store: Store) -> dict[str, int]:
    with store.reading() as connection:
        return dict(decisions_by_version(connection, "default").get("churn", {}))


def test_decisions_count_for_the_champion_of_their_time(store: Store, decide: Decide) -> None:
    deployed(store, "1", DAY)
    deployed(store, "2", 3 * DAY)
    decide(2 * DAY, "1", 30)
    decide(4 * DAY, "2", 20)
    decide(2 * DAY, "1", 5, brand="other")

    assert counted(store) == {"1": 30, "2": 20}


def test_a_worker_that_had_not_followed_yet_is_believed(store: Store, decide: Decide) -> None:
    deployed(store, "1", DAY)
    deployed(store, "2", 3 * DAY)
    decide(3 * DAY, "1", 2)
    decide(3 * DAY + 2 * MICROSECONDS_PER_SECOND, "2", 9)

    assert counted(store) == {"1": 2, "2": 9}


def test_a_variant_counts_as_its_own_version(store: Store, decide: Decide) -> None:
    deployed(store, "1", DAY)
    variants = (Variant(name="old", weight=0.5), Variant(name="new", weight=0.5, models={"churn": "1"}))
    with store.writing() as connection:
        experiment_store.create(connection, "default", Experiment(name="try", variants=variants), 2 * DAY)
        experiment_store.start(connection, "default", "try", 2 * DAY)
        experiment_store.stop(connection, "default", "try", 3 * DAY)
    decide(2 * DAY + HOUR, "1", 6)
    decide(2 * DAY + HOUR, "7", 4)
    decide(4 * DAY, "1", 10)

    assert counted(store) == {"1": 16, "7": 4}


def test_a_replay_of_before_the_first_champion_is_read_one_by_one(store: Store, decide: Decide) -> None:
    deployed(store, "1", 10 * DAY)
    decide(DAY, "1", 3)

    assert counted(store) == {"1": 3}


def test_without_decisions_every_version_made_none(store: Store) -> None:
    deployed(store, "1", DAY)

    assert counted(store) == {}
