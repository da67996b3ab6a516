import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, Instant, parse
from features.store import Store
from lagniappe import application
from training.examples import write_examples
from training.one_at_a_time import AlreadyTrainingError, training_alone
from training.pipeline import Trained, train
from training.promotion import compare
from training.registry import CHALLENGER, CHAMPION, current, history
from training.retraining import retrain
from training.tracking import Tracker, connect, registered_name
from training.version_record import read_record

START = parse("2017-06-05")
NOW = parse("2018-01-01")
MODEL = "send-time"
"""The quickest to train."""


def day(number: int) -> Instant:
    return START + number * MICROSECONDS_PER_DAY


def train_one(store: Store, model: str = MODEL, **settings: Any) -> Trained:
    [result] = train(store, [model], brand="default", now=NOW, **{"horizon_days": 14, **settings})
    return result


def mlflow(store: Store) -> Tracker:
    return connect(store.workspace, "default")


def purchases(customers: int, days: int) -> list[Event]:
    return [
        Event(event_id=f"{c}-{d}", type=EventType.PURCHASE, occurred_at=day(d), customer_id=f"c{c}", amount=10_000)
        for c in range(customers)
        for d in range(days)
    ]


def add(store: Store, events: list[Event]) -> None:
    with store.writing() as connection:
        append(connection, events, NOW, lake=store.lake)


@pytest.mark.parametrize("model", ["churn", "lifetime-value", "favourite-product", "send-time"])
def test_each_model_is_trained_measured_and_registered(shop: Store, model: str) -> None:
    trained = train_one(shop, model)

    assert (trained.skipped, trained.version, trained.alias) == (None, "1", CHAMPION)
    assert trained.metrics
    assert all(set(values) <= set(trained.metrics) for values in trained.baselines.values())


def test_the_first_version_is_champion_and_later_ones_challenge(shop: Store) -> None:
    aliases = [train_one(shop).alias for _ in range(2)]

    with shop.reading() as connection:
        named = {alias: row.version for (_, alias), row in current(connection, "default").items()}
    assert aliases == [CHAMPION, CHALLENGER]
    assert named == {CHAMPION: "1", CHALLENGER: "2"}


def test_a_run_keeps_what_a_person_would_look_at(shop: Store) -> None:
    trained = train_one(shop)

    tracker = mlflow(shop)
    logged = tracker.client.get_run(trained.run_id)
    files = {file.path for file in tracker.client.list_artifacts(trained.run_id)}
    assert logged.info.status == "FINISHED"
    assert files == {"model", "model_card.md", "plots"}
    assert logged.data.params["horizon_days"] == "14"
    assert logged.data.metrics[f"send_time_{next(iter(trained.metrics))}"] == next(iter(trained.metrics.values()))
    assert any(name.startswith("baseline_") for name in logged.data.metrics)
    assert str(tracker.client.get_registered_model(registered_name("default", MODEL)).aliases[CHAMPION]) == "1"


def test_the_future_changes_nothing(shop: Store) -> None:
    before = train_one(shop, as_of=day(45))

    add(shop, [replace_at(event, day(46)) for event in purchases(60, 1)])

    assert train_one(shop, as_of=day(45)).metrics == before.metrics


def replace_at(event: Event, at: Instant) -> Event:
    return Event(event_id=f"late-{event.event_id}", type=event.type, occurred_at=at,
                 customer_id=event.customer_id, amount=event.amount)  # fmt: skip


def test_without_a_horizon_the_longest_that_the_history_supports_is_taken(shop: Store) -> None:
    trained = train_one(shop, horizon_days=None)

    assert trained.horizon_days == 14
    assert trained.notes == ("horizon shortened from 90 to 14 days: the history is 50 days long",)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "history: got no events"),
        (purchases(3, 60), "customers: got 3, expected at least 20"),
        (purchases(30, 1), "history: got 0.0 days of events, expected at least 30 days"),
        ([Event(event_id=f"{e.event_id}v", type=EventType.VIEW, occurred_at=e.occurred_at, customer_id=e.customer_id)
          for e in purchases(30, 60)], "purchases: got none"),
    ],
    ids=["no events", "three customers", "one day", "no purchases"],
)  # fmt: skip
def test_too_little_data_is_skipped_with_the_reason(
    sqlite_store: Store, tracker: Tracker, events: list[Event], reason: str
) -> None:
    add(sqlite_store, events)

    trained = train_one(sqlite_store)

    assert trained.version is None
    assert trained.skipped is not None
    assert trained.skipped.startswith(reason)
    [left] = tracker.client.search_runs([tracker.tracking_experiment_id])
    assert (left.info.status, left.data.tags["skipped"].startswith(reason)) == ("FINISHED", True)
    with sqlite_store.reading() as connection:
        assert history(connection, "default") == []


def test_offer_response_without_presentations_is_skipped_and_says_what_is_missing(shop: Store) -> None:
    trained = train_one(shop, "offer-response")

    assert trained.skipped == "offer_presented: got 0 events, expected at least 100"


def test_two_trainings_at_once_are_refused(shop: Store) -> None:
    with training_alone(shop.workspace), pytest.raises(AlreadyTrainingError, match="is training, try again later"):
        train_one(shop)


KILLED = """
import os, signal, sys
from pathlib import Path
import training.version
from features.store import open_store
from training.pipeline import train
def die(*arguments): os.kill(os.getpid(), signal.SIGKILL)
setattr(training.version, sys.argv[2], die)
train(open_store(Path(sys.argv[1])), ["send-time"], brand="default", now=1, horizon_days=14)
"""


def test_trainings_killed_at_any_moment_leave_nothing_half_registered(shop: Store) -> None:
    for moment in ("install", "deploy_next", "name_in_mlflow"):
        killed = subprocess.run([sys.executable, "-c", KILLED, str(shop.workspace), moment], check=False)
        assert killed.returncode == -9

    trained = train_one(shop)

    tracker = mlflow(shop)
    with shop.reading() as connection:
        deployed = {row.version: row.run_id for row in history(connection, "default")}
    registered = tracker.client.search_model_versions(f"name = '{registered_name('default', MODEL)}'")
    assert {str(version.version): version.run_id for version in registered} == deployed
    assert len(deployed) == 2  # the one killed just after its deployment, and the last
    assert trained.version in deployed
    assert not tracker.client.search_runs([tracker.tracking_experiment_id], "attributes.status = 'RUNNING'")
    assert not list(shop.models.glob("*/*/.incoming-*"))


def test_versions_of_different_days_are_compared_on_the_later_cutoff(shop: Store) -> None:
    train_one(shop, as_of=day(45))
    train_one(shop)

    comparison = compare(shop, "default", MODEL)

    assert comparison.champion is not None
    assert (comparison.champion.version, comparison.challenger.version) == ("1", "2")
    assert all(np.isfinite(difference.difference) for difference in comparison.differences)
    assert comparison.differences[0].customers > 20


def test_of_very_many_customers_a_sample_is_compared(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that the newer version was measured on, as both draw with the same seed."""
    train_one(shop, as_of=day(45))
    monkeypatch.setattr("training.training_data.MOST_CUSTOMERS", 120)
    monkeypatch.setattr("training.paired_evaluation.MOST_CUSTOMERS", 120)
    train_one(shop)
    same = compare(shop, "default", MODEL).differences[0].customers
    monkeypatch.setattr("training.paired_evaluation.MOST_CUSTOMERS", 30)

    fewer = compare(shop, "default", MODEL).differences[0].customers

    assert 0 < fewer <= 30 < same


def test_a_version_trained_the_same_way_passes_every_gate(shop: Store) -> None:
    train_one(shop)
    train_one(shop)

    comparison = compare(shop, "default", MODEL)

    assert comparison.is_passed
    assert comparison.differences[0].difference == 0


def test_retraining_keeps_the_horizon_of_the_champion(shop: Store) -> None:
    train_one(shop)

    results = {result.trained.model: result for result in retrain(shop, brand="default", now=NOW)}

    again = results[MODEL]
    assert (again.trained.horizon_days, again.trained.alias) == (14, CHALLENGER)
    assert again.is_promotable
    assert len(results) == 5
    assert results["offer-response"].trained.skipped


def test_retraining_replaces_a_champion_that_cannot_be_loaded(shop: Store) -> None:
    train_one(shop)
    with shop.reading() as connection:
        manifest = shop.workspace / current(connection, "default")[MODEL, CHAMPION].path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 0'))

    application(["retrain", "--promote", "--workspace", str(shop.workspace)], standalone_mode=False)

    with shop.reading() as connection:
        assert current(connection, "default")[MODEL, CHAMPION].version == "2"


def test_tuning_nests_its_best_trial_in_the_run(shop: Store) -> None:
    trained = train_one(shop, "churn", horizon_days=7, tuning_trials=3)

    tracker = mlflow(shop)
    [best] = tracker.client.search_runs(
        [tracker.tracking_experiment_id], f"tags.mlflow.parentRunId = '{trained.run_id}'"
    )
    with shop.reading() as connection:
        champion = current(connection, "default")["churn", CHAMPION]
    record = read_record(shop.workspace / champion.path)
    assert {name: str(value) for name, value in record.parameters.items()} == best.data.params
    assert any(note.startswith("tuned in 3 trials") for note in trained.notes)
    drawn = {Path(file.path).name for file in tracker.client.list_artifacts(trained.run_id, "plots")}
    assert {"tuning_history.png", "tuning_parameters.png"} <= drawn


def test_examples_hold_labels_only_where_they_are_known(shop: Store, tmp_path: Path) -> None:
    rows = write_examples(shop, "default", day(48), 14, tmp_path / "examples.parquet")

    table = pyarrow.parquet.read_table(tmp_path / "examples.parquet")
    now = [at == day(48) for at in table["as_of"].cast("int64").to_pylist()]
    unlabelled = [orders is None for orders in table["label_orders"].to_pylist()]
    assert table.num_rows == rows
    assert now == unlabelled
    assert 0 < sum(now) < rows
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ""] == ["examples.parquet"]
