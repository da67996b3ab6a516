"""A folder is read only by the program that understands it."""

import json
from pathlib import Path

import pytest

from training.errors import TrainingError
from training.models.manifest import FILE, read_manifest, write_manifest


def test_words_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    write_manifest(tmp_path, "churn", {"horizon_days": 30, "calibration": {"slope": 1.1}})

    words = read_manifest(tmp_path, "churn")

    assert (words["horizon_days"], words["calibration"]) == (30, {"slope": 1.1})


def test_another_models_folder_is_refused_by_name(tmp_path: Path) -> None:
    write_manifest(tmp_path, "lifetime-value", {})

    with pytest.raises(TrainingError, match="model: got 'lifetime-value', expected 'churn'"):
        read_manifest(tmp_path, "churn")


@pytest.mark.parametrize(("field", "value"), [("format", 2), ("features", "0123456789abcdef"), ("features", None)])
def test_what_this_program_does_not_compute_is_refused(tmp_path: Path, field: str, value: object) -> None:
    write_manifest(tmp_path, "churn", {})
    written = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    (tmp_path / FILE).write_text(json.dumps(written | {field: value}), encoding="utf-8")

    with pytest.raises(TrainingError, match=f"{field}: got {value!r}"):
        read_manifest(tmp_path, "churn")
