"""Versions without their models, enough for everything that moves aliases; MLflow databases that are quick to make."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from features.store import Store
from features.vector import FINGERPRINT
from training import tracking
from training.held_out import HeldOut, save_held_out
from training.model_files import version_path
from training.registry import CHALLENGER, CHAMPION, Deployment, current, deploy
from training.version_record import HELD_OUT_FOLDER, DataWindow, VersionRecord, write_record

NOW = 1_511_136_000_000_000
MakeVersion = Callable[..., Deployment]


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to migrate a new database; each test takes a copy of this one."""
    workspace = tmp_path_factory.mktemp("mlflow")
    tracking.connect(workspace, "template")
    return workspace / "mlflow.db"


@pytest.fixture
def tracker(sqlite_store: Store, empty_mlflow_database: Path) -> tracking.Tracker:
    """MLflow in the workspace of ``sqlite_store``."""
    shutil.copy(empty_mlflow_database, sqlite_store.workspace / "mlflow.db")
    return tracking.connect(sqlite_store.workspace, "default")


@pytest.fixture
def make_version(sqlite_store: Store) -> MakeVersion:
    """Deploys a version of churn that lost ``losses`` on its held-out cutoff: the first one as champion."""

    def make(version: str, losses: list[float], *, horizon_days: int = 30, fingerprint: str = FINGERPRINT,
             miscalibration: float = 0.01, run_id: str = "run") -> Deployment:  # fmt: skip
        path = version_path("default", "churn", version, run_id)
        folder = sqlite_store.workspace / path
        (folder / HELD_OUT_FOLDER).mkdir(parents=True)
        window = DataWindow(0, 100, horizon_days, (10,), 50, 3, len(losses), 9)
        write_record(VersionRecord("churn", "default", fingerprint, window, {}, {"auc": 0.7}, {}), folder)
        keys = np.arange(len(losses), dtype=np.uint64)
        measured = HeldOut(50, horizon_days, keys, {"log_loss": np.array(losses)},
                           {"calibration_error_beyond_chance": miscalibration})  # fmt: skip
        save_held_out(measured, folder / HELD_OUT_FOLDER)
        with sqlite_store.writing() as connection:
            alias = CHALLENGER if ("churn", CHAMPION) in current(connection, "default") else CHAMPION
            return deploy(connection, "default", "churn", version, alias, run_id, path, NOW, None)

    return make
