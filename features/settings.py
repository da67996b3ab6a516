"""Settings from the environment, read once by whoever starts the program and passed on as plain arguments."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from features.errors import FieldError


class Settings(BaseSettings):
    """``LAGNIAPPE_WORKSPACE``, ``LAGNIAPPE_DATABASE_URL``, MLflow's ``MLFLOW_TRACKING_URI``; an empty one is unset."""

    model_config = SettingsConfigDict(env_prefix="LAGNIAPPE_", env_ignore_empty=True, frozen=True)

    workspace: Path = Path("./workspace")
    database_url: str | None = None
    mlflow_tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")


def read_settings(workspace: Path | None = None) -> Settings:
    """The settings of the environment, where ``workspace`` (from the command line) goes before its variable.

    Raises
    ------
    FieldError
        Naming the variable, its value and what was expected.
    """
    try:
        return Settings() if workspace is None else Settings(workspace=workspace)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        variable = name if name.startswith("MLFLOW_") else f"LAGNIAPPE_{name}"
        raise FieldError(variable, first["input"], first["msg"]) from error
