"""The Bento: what it holds is enough to serve, and serving needs nothing that only training needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OF_TRAINING = {"duckdb", "ibis", "implicit", "lightgbm", "matplotlib", "mlflow", "optuna", "sklearn"}
"""Not pandas, pyarrow and scipy: BentoML and numba look for these by themselves."""

IMPORT_ALL = """
import importlib, pkgutil, sys
import serving.service, training.models
names = [module.name for module in pkgutil.iter_modules(training.models.__path__)]
for name in names:
    importlib.import_module(f"training.models.{name}")
print(*sorted(sys.modules))
print(serving.service.__file__)
"""


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the Bento's own source, built from the repository."""
    home = tmp_path_factory.mktemp("bentoml")
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag", str(ROOT)]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    (source,) = home.glob("bentos/lagniappe/*/src")
    return source


@pytest.fixture(scope="module")
def imported(bento: Path) -> list[str]:
    """The modules loaded once everything of the Bento is, and the file of its service."""
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=bento, check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_the_bento_holds_all_that_it_imports(bento: Path, imported: list[str]) -> None:
    assert imported[-1] == str(bento / "serving" / "service.py")


def test_serving_imports_nothing_that_only_training_needs(imported: list[str]) -> None:
    assert not OF_TRAINING & {name.partition(".")[0] for name in imported}


def test_the_bento_has_the_hashed_requirements_of_serving(bento: Path) -> None:
    kept = (bento.parent / "env" / "python" / "requirements.txt").read_text()

    assert "bentoml==" in kept
    assert "mlflow" not in kept
