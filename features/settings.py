"""Settings from the environment, read once by whoever starts the program and passed on as plain arguments."""

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_WORKSPACE = Path("./workspace")


@dataclass(frozen=True, slots=True)
class Settings:
    """``LAGNIAPPE_WORKSPACE``, ``LAGNIAPPE_DATABASE_URL``, MLflow's ``MLFLOW_TRACKING_URI``.

    Each is a text that only its reader can judge: ``features.store`` refuses a folder or a URL by the variable's name.
    """

    workspace: Path
    database_url: str | None = None
    mlflow_tracking_uri: str | None = None


def read_settings(workspace: Path | None = None) -> Settings:
    """The settings of the environment, where ``workspace`` (from the command line) goes before its variable.

    An empty variable is unset.
    """
    return Settings(
        workspace or Path(os.environ.get("LAGNIAPPE_WORKSPACE") or DEFAULT_WORKSPACE),
        os.environ.get("LAGNIAPPE_DATABASE_URL") or None,
        os.environ.get("MLFLOW_TRACKING_URI") or None,
    )
