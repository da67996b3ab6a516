"""Machine code that is kept is that of the sources as they are, of whatever file they stand in."""

import subprocess
import sys
from pathlib import Path

from features.compiled import sources_of

RUN = """
import sys
sys.path[:0] = [{folder!r}, {project!r}]
import features.compiled
features.compiled._ROOT = features.compiled.Path({folder!r})
from training import area
print(area.area(10.0))
"""


def write(root: Path, factor: str) -> None:
    folder = root / "training"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    (folder / "factors.py").write_text(f"FACTOR = {factor}\n")
    (folder / "scaling.py").write_text(
        "from training.factors import FACTOR\nfrom features.compiled import compiled\n\n\n"
        "@compiled\ndef scaled(value):\n    return value * FACTOR\n"
    )
    (folder / "area.py").write_text(
        "from features.compiled import compiled\nfrom training.scaling import scaled\n\n\n"
        "@compiled\ndef area(side):\n    return scaled(side) * side\n"
    )


def run(folder: Path) -> str:
    script = RUN.format(folder=str(folder), project=str(Path(__file__).parents[2]))
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_a_constant_of_another_file_is_not_remembered(tmp_path: Path) -> None:
    write(tmp_path, "2.0")
    assert run(tmp_path) == "200.0"
    assert list(tmp_path.glob("training/__pycache__/area.area-*.nbi"))

    write(tmp_path, "3.0")

    assert run(tmp_path) == "300.0"


def test_sources_are_followed_from_file_to_file(tmp_path: Path) -> None:
    write(tmp_path, "2.0")

    found = sources_of(tmp_path / "training/area.py", tmp_path)

    assert {path.name for path in found} == {"area.py", "scaling.py", "factors.py"}


def test_sources_of_others_that_lie_beside_ours_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "2.0")
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba/__init__.py").touch()
    (tmp_path / "training/factors.py").write_text("import numba\nfrom numba import njit\nFACTOR = 2.0\n")

    found = sources_of(tmp_path / "training/area.py", tmp_path)

    assert tmp_path / "training/factors.py" in found
    assert not any("numba" in path.parts for path in found)


def test_sources_of_the_project_are_found() -> None:
    project = Path(__file__).parents[2]

    found = sources_of(project / "training/models/trees.py", project)

    assert project / "features/compiled.py" in found
    assert project / "training/models/lightgbm_text.py" in found
