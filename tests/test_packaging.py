"""The generic top-level names are ours and nobody else's, and the pins name no registry."""

import importlib
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("features", "experiments", "training", "serving")


@pytest.mark.parametrize("name", PACKAGES)
def test_package_resolves_into_this_repository(name: str) -> None:
    module = importlib.import_module(name)

    assert Path(str(module.__file__)).is_relative_to(REPOSITORY)


@pytest.mark.parametrize("name", PACKAGES)
def test_package_has_no_other_owner(name: str) -> None:
    owners = set(packages_distributions().get(name, []))

    assert owners <= {"lagniappe"}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "requirements").glob("*.txt")), ids=lambda path: path.stem)
def test_requirements_are_hashed_and_name_no_host(path: Path) -> None:
    text = path.read_text()
    pins = re.findall(r"^([a-z0-9][\w.\-]*(?:\[[\w,]+\])?)==", text, re.MULTILINE)

    assert pins
    assert "://" not in text
    assert "--index" not in text
    assert text.count("--hash=sha256:") >= len(pins)


def test_serving_needs_none_of_trainings_libraries() -> None:
    pins = re.findall(r"^([\w.\-]+)", (REPOSITORY / "requirements" / "serving.txt").read_text(), re.MULTILINE)

    assert not {"mlflow", "lightgbm", "scikit-learn", "pandas", "duckdb", "ibis-framework", "implicit"} & set(pins)
