from collections.abc import Callable
from pathlib import Path

import pytest

from features.store import Store
from training.alias_follower import ForeignVersionError, follow_mlflow_aliases, follow_once
from training.promotion import promote
from training.registry import CHAMPION, Deployment, current
from training.tracking import (
    MODEL_FOLDER,
    Tracker,
    champion_alias,
    log_files,
    name_champion,
    name_version,
    register,
    registered_name,
    run,
)

MakeVersion = Callable[..., Deployment]
NOW = 1_511_136_000_000_000


@pytest.fixture
def two_versions(sqlite_store: Store, tracker: Tracker, make_version: MakeVersion) -> None:
    """Version 1 is champion here and in MLflow, version 2 is deployed beside it."""
    for version in ("1", "2"):
        with run(tracker, "churn", NOW) as run_id:
            deployment = make_version(version, [0.5, 0.6], run_id=run_id)
            log_files(tracker, run_id, sqlite_store.workspace / deployment.path, MODEL_FOLDER)
            register(tracker, run_id, "churn")
    name_champion(tracker, "churn", "1")


def champion(store: Store) -> Deployment:
    with store.reading() as connection:
        return current(connection, "default")["churn", CHAMPION]


@pytest.mark.usefixtures("two_versions")
def test_an_alias_moved_in_mlflow_is_served(sqlite_store: Store, tracker: Tracker) -> None:
    name_version(tracker, "churn", "2", "champion")

    follow_once(sqlite_store, tracker, NOW)

    assert (champion(sqlite_store).version, champion(sqlite_store).reason) == ("2", "alias moved in MLflow")
    assert follow_once(sqlite_store, tracker, NOW) == []


@pytest.mark.usefixtures("two_versions")
def test_a_promotion_that_did_not_reach_mlflow_is_put_right(sqlite_store: Store, tracker: Tracker) -> None:
    promote(sqlite_store, "default", "churn", "2", NOW, forced_by="anna")

    assert follow_once(sqlite_store, tracker, NOW) == []
    assert champion(sqlite_store).version == "2"
    assert champion_alias(tracker, "churn") == ("2", "2")


@pytest.mark.usefixtures("two_versions")
def test_a_version_trained_elsewhere_is_fetched(sqlite_store: Store, tracker: Tracker) -> None:
    name = registered_name("default", "churn")
    elsewhere = tracker.client.get_model_version(name, "1")
    third = tracker.client.create_model_version(name, source=elsewhere.source, run_id=elsewhere.run_id)
    name_version(tracker, "churn", str(third.version), "champion")

    follow_once(sqlite_store, tracker, NOW)

    assert champion(sqlite_store).version == "3"
    assert (sqlite_store.workspace / champion(sqlite_store).path / "record.json").exists()


@pytest.mark.usefixtures("two_versions")
def test_a_version_of_other_features_is_not_served(
    sqlite_store: Store, tracker: Tracker, make_version: MakeVersion
) -> None:
    make_version("3", [0.5, 0.6], fingerprint="of-another-time")
    tracker.client.create_model_version(registered_name("default", "churn"), source="file:///nowhere")
    name_version(tracker, "churn", "3", "champion")

    with pytest.raises(ForeignVersionError, match="of-another-time"):
        follow_once(sqlite_store, tracker, NOW)

    assert champion(sqlite_store).version == "1"


@pytest.mark.usefixtures("two_versions")
def test_following_goes_on_until_told_to_stop(sqlite_store: Store, tracker: Tracker) -> None:
    name_version(tracker, "churn", "2", "champion")
    looks = iter([False, False, True])
    said: list[str] = []

    follow_mlflow_aliases(
        sqlite_store, ["default"], None, clock=lambda: NOW, wait=lambda _: next(looks), report=said.append
    )

    assert said == ["default: churn is served by version 2 (alias moved in MLflow)"]


def test_a_tracking_server_out_of_reach_is_reported_once(sqlite_store: Store, tmp_path: Path) -> None:
    looks = iter([False, False, False, True])
    said: list[str] = []
    (tmp_path / "file").touch()
    nowhere = f"sqlite:///{tmp_path}/file/mlflow.db"

    follow_mlflow_aliases(
        sqlite_store, ["default"], nowhere, clock=lambda: NOW, wait=lambda _: next(looks), report=said.append
    )

    assert len(said) == 1
    assert "MLflow's aliases are not followed" in said[0]
