"""MLflow: what was tried, with what result, and the registered versions. Nothing that serves reads it.

Imported only by verbs that train or move aliases; ``mlflow`` itself only inside functions, because it takes seconds.
"""

import logging
import os
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from features.instant import Instant
from training.errors import NotEnoughData

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_FOLDER = "model"
"""Where a run keeps the model's files among its artifacts."""
DEPLOYED_VERSION = "lagniappe.deployed_version"
"""Tag of a registered model: the champion that we set ourselves; another one under the alias was moved in MLflow."""
SKIPPED = "skipped"
"""Tag of a run in which nothing was trained for want of data: the reason."""
_WORKSPACE = "lagniappe.workspace"
_MODEL = "lagniappe.model"
_MILLISECOND = 1_000


@dataclass(frozen=True, slots=True)
class Tracker:
    """MLflow as one brand of one workspace sees it."""

    client: "MlflowClient"
    brand: str
    workspace: str
    tracking_experiment_id: str


def tracking_uri(workspace: Path, configured: str | None) -> str:
    """``MLFLOW_TRACKING_URI`` where it is set, else a database in the workspace."""
    return configured or f"sqlite:///{(workspace / 'mlflow.db').resolve()}"


def connect(workspace: Path, brand: str, configured_uri: str | None = None) -> Tracker:
    """MLflow, with the brand's tracking experiment made if it is new."""
    # Before the first import: a self-hosted program reports to nobody unless its owner asks for it.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow's own seven retries would keep a promotion waiting for minutes when its server is away.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    uri = tracking_uri(workspace, configured_uri)
    artifacts = None if configured_uri else (workspace / "mlartifacts").resolve().as_uri()
    with warnings.catch_warnings():
        # MLflow 3.17 maps its tables with a loader that SQLAlchemy 2.1 deprecates; it does so at the first query.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy")
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment_id = _tracking_experiment(client, f"lagniappe.{brand}", artifacts)
    return Tracker(client, brand, str(workspace.resolve()), experiment_id)


def registered_name(brand: str, model: str) -> str:
    """``brand.model``, with the characters of the brand that MLflow refuses in a name spelt out.

    >>> registered_name("shop: north", "churn")
    'shop%3A north.churn'
    """
    return f"{brand}.{model}".replace("/", "%2F").replace(":", "%3A")


@contextmanager
def run(tracker: Tracker, model: str, now: Instant, parent_run_id: str | None = None) -> Iterator[str]:
    """The id of a new run, ended as finished, or as failed by an exception.

    Too little data is no failure: the run ends as finished, tagged ``skipped`` with the reason.
    """
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    tags = {_WORKSPACE: tracker.workspace, _MODEL: model}
    if parent_run_id:
        tags[MLFLOW_PARENT_RUN_ID] = parent_run_id
    started = tracker.client.create_run(
        tracker.tracking_experiment_id, start_time=now // _MILLISECOND, tags=tags, run_name=model
    )
    try:
        yield started.info.run_id
    except NotEnoughData as reason:
        _end_as_skipped(tracker, started.info.run_id, reason)
        raise
    except BaseException:
        tracker.client.set_terminated(started.info.run_id, "FAILED")
        raise
    tracker.client.set_terminated(started.info.run_id, "FINISHED")


def log_skipped(tracker: Tracker, model: str, now: Instant, reason: NotEnoughData) -> None:
    """A run that says that a model was not trained, and why."""
    with suppress(NotEnoughData), run(tracker, model, now):
        raise reason


def _end_as_skipped(tracker: Tracker, run_id: str, reason: NotEnoughData) -> None:
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

    tracker.client.set_tag(run_id, SKIPPED, str(reason))
    tracker.client.set_tag(run_id, MLFLOW_RUN_NOTE, f"Skipped: {reason}")
    tracker.client.set_terminated(run_id, "FINISHED")


def end_abandoned_runs(tracker: Tracker, deployed_runs: Collection[str]) -> int:
    """How many runs of this workspace were still marked as running, though the process that ran them is gone.

    One whose version was deployed had done its work; the versions of the others are unregistered again.
    """
    running = tracker.client.search_runs([tracker.tracking_experiment_id], "attributes.status = 'RUNNING'")
    abandoned = [left.info.run_id for left in running if left.data.tags.get(_WORKSPACE) == tracker.workspace]
    for run_id in abandoned:
        if run_id not in deployed_runs:
            for version in tracker.client.search_model_versions(f"run_id = '{run_id}'"):
                tracker.client.delete_model_version(version.name, str(version.version))
        tracker.client.set_terminated(run_id, "FINISHED" if run_id in deployed_runs else "FAILED")
    return len(abandoned)


def log_values(
    tracker: Tracker, run_id: str, now: Instant, params: Mapping[str, object], metrics: Mapping[str, float]
) -> None:
    from mlflow.entities import Metric, Param

    at = now // _MILLISECOND
    tracker.client.log_batch(
        run_id,
        metrics=[Metric(name, value, at, 0) for name, value in metrics.items()],
        params=[Param(name, str(value)) for name, value in params.items()],
    )


def log_files(tracker: Tracker, run_id: str, folder: Path, under: str | None = None) -> None:
    tracker.client.log_artifacts(run_id, str(folder), under)


def register(tracker: Tracker, run_id: str, model: str) -> str:
    """The new version's number; the run's model files must have been logged."""
    register_name(tracker, model)
    artifacts = tracker.client.get_run(run_id).info.artifact_uri
    version = tracker.client.create_model_version(
        registered_name(tracker.brand, model), source=f"{artifacts}/{MODEL_FOLDER}", run_id=run_id
    )
    return str(version.version)


def register_name(tracker: Tracker, model: str) -> None:
    """Make a model known to the registry, with or without a version."""
    from mlflow.exceptions import MlflowException

    try:
        tracker.client.create_registered_model(registered_name(tracker.brand, model))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def name_version(tracker: Tracker, model: str, version: str, alias: str) -> None:
    tracker.client.set_registered_model_alias(registered_name(tracker.brand, model), alias, version)


def name_champion(tracker: Tracker, model: str, version: str) -> None:
    """Move the champion alias to what the deployments say, and leave a note that it was us."""
    name_version(tracker, model, version, "champion")
    tracker.client.set_registered_model_tag(registered_name(tracker.brand, model), DEPLOYED_VERSION, version)


def champion_alias(tracker: Tracker, model: str) -> tuple[str | None, str | None]:
    """The version that MLflow's champion alias names, and the one that we last made it name."""
    from mlflow.exceptions import MlflowException

    try:
        registered = tracker.client.get_registered_model(registered_name(tracker.brand, model))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None, None
    named = registered.aliases.get("champion")
    return None if named is None else str(named), registered.tags.get(DEPLOYED_VERSION)


def run_of_version(tracker: Tracker, model: str, version: str) -> str | None:
    found = tracker.client.get_model_version(registered_name(tracker.brand, model), version)
    return found.run_id or None


def fetch_model(tracker: Tracker, run_id: str, folder: Path) -> Path:
    """The run's model files, copied into ``folder``."""
    return Path(tracker.client.download_artifacts(run_id, MODEL_FOLDER, str(folder)))


def _tracking_experiment(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name, artifact_location=artifacts)
