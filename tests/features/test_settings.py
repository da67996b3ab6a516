from pathlib import Path

import pytest

from features.settings import read_settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGNIAPPE_WORKSPACE", "/data/shop")
    monkeypatch.setenv("LAGNIAPPE_DATABASE_URL", "postgresql://host/shop")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")

    settings = read_settings()

    assert settings.workspace == Path("/data/shop")
    assert settings.database_url == "postgresql://host/shop"
    assert settings.mlflow_tracking_uri == "http://mlflow:5000"


def test_workspace_of_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGNIAPPE_WORKSPACE", "/data/shop")

    assert read_settings(Path("here")).workspace == Path("here")


def test_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAGNIAPPE_WORKSPACE", "LAGNIAPPE_DATABASE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")

    settings = read_settings()

    assert (settings.workspace, settings.database_url) == (Path("workspace"), None)
