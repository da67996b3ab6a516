from pathlib import Path

import pytest

from training.errors import NotEnoughData
from training.model_files import install, remove_incoming, version_path
from training.tracking import (
    DEPLOYED_VERSION,
    MODEL_FOLDER,
    Tracker,
    end_abandoned_runs,
    log_files,
    log_skipped,
    log_values,
    name_champion,
    register,
    registered_name,
    run,
    tracking_uri,
)

NOW = 1_511_136_000_000_000


@pytest.fixture
def model_files(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def test_the_tracking_database_lies_in_the_workspace_unless_configured(tmp_path: Path) -> None:
    assert tracking_uri(tmp_path, None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri(tmp_path, "http://mlflow:5000") == "http://mlflow:5000"


def test_a_run_keeps_parameters_metrics_and_files(tracker: Tracker, model_files: Path) -> None:
    with run(tracker, "churn", NOW) as run_id:
        log_values(tracker, run_id, NOW, {"num_leaves": 31}, {"churn_auc": 0.75})
        log_files(tracker, run_id, model_files, MODEL_FOLDER)

    logged = tracker.client.get_run(run_id)
    assert logged.info.status == "FINISHED"
    assert (logged.data.params, logged.data.metrics) == ({"num_leaves": "31"}, {"churn_auc": 0.75})
    assert [file.path for file in tracker.client.list_artifacts(run_id, MODEL_FOLDER)] == ["model/manifest.json"]


def test_a_run_that_raises_is_marked_failed(tracker: Tracker) -> None:
    def train() -> None:
        with run(tracker, "churn", NOW) as run_id:
            started.append(run_id)
            raise ValueError("no data")

    started: list[str] = []
    with pytest.raises(ValueError, match="no data"):
        train()

    assert tracker.client.get_run(started[0]).info.status == "FAILED"


def test_a_run_for_which_there_is_too_little_data_says_so_and_has_not_failed(tracker: Tracker) -> None:
    log_skipped(tracker, "churn", NOW, NotEnoughData("customers", 3, "at least 20"))

    [left] = tracker.client.search_runs([tracker.tracking_experiment_id])
    others = tracker.client.search_runs([tracker.tracking_experiment_id], "tags.skipped IS NULL")
    assert (left.info.status, left.data.tags["skipped"]) == ("FINISHED", "customers: got 3, expected at least 20")
    assert others == []


def test_a_killed_training_leaves_no_registered_version(tracker: Tracker, model_files: Path) -> None:
    left = run(tracker, "churn", NOW)
    run_id = left.__enter__()  # and never left, as by kill -9
    log_files(tracker, run_id, model_files, MODEL_FOLDER)
    register(tracker, run_id, "churn")

    assert end_abandoned_runs(tracker, deployed_runs=()) == 1
    assert tracker.client.get_run(run_id).info.status == "FAILED"
    assert tracker.client.search_model_versions(f"run_id = '{run_id}'") == []


def test_a_training_killed_after_its_version_was_deployed_counts_as_done(tracker: Tracker) -> None:
    left = run(tracker, "churn", NOW)
    run_id = left.__enter__()

    assert end_abandoned_runs(tracker, deployed_runs={run_id}) == 1
    assert tracker.client.get_run(run_id).info.status == "FINISHED"


def test_versions_count_up_and_the_champion_is_named(tracker: Tracker, model_files: Path) -> None:
    versions = []
    for _ in range(2):
        with run(tracker, "send-time", NOW) as run_id:
            log_files(tracker, run_id, model_files, MODEL_FOLDER)
            versions.append(register(tracker, run_id, "send-time"))
    name_champion(tracker, "send-time", "2")

    registered = tracker.client.get_registered_model(registered_name("default", "send-time"))
    assert versions == ["1", "2"]
    assert str(registered.aliases["champion"]) == "2"
    assert registered.tags[DEPLOYED_VERSION] == "2"


def test_installed_files_are_complete_and_nothing_half_copied_stays(tmp_path: Path, model_files: Path) -> None:
    path = version_path("default", "churn", "1", "abc")
    folder = install(tmp_path, model_files, path)
    (folder.parent / ".incoming-2-99").mkdir()

    assert (folder / "manifest.json").read_text() == "{}"
    assert remove_incoming(tmp_path) == 1
    assert [entry.name for entry in folder.parent.iterdir()] == ["1-abc"]
