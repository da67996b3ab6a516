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
import area
print(area.area(10.0))
"""


def write(folder: Path, factor: str) -> None:
    (folder / "factors.py").write_text(f"FACTOR = {factor}\n")
    (folder / "scaling.py").write_text(
        "from factors import FACTOR\nfrom features.compiled import compiled\n\n\n"
        "@compiled\ndef scaled(value):\n    return value * FACTOR\n"
    )
    (folder / "area.py").write_text(
        "from features.compiled import compiled\nfrom scaling import scaled\n\n\n"
        "@compiled\ndef area(side):\n    return scaled(side) * side\n"
    )


def run(folder: Path) -> str:
    script = RUN.format(folder=str(folder), project=str(Path(__file__).parents[2]))
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_a_constant_of_another_file_is_not_remembered(tmp_path: Path) -> None:
    write(tmp_path, "2.0")
    assert run(tmp_path) == "200.0"
    assert list(tmp_path.glob("__pycache__/area.area-*.nbi"))

    write(tmp_path, "3.0")

    assert run(tmp_path) == "300.0"


def test_sources_are_followed_from_file_to_file(tmp_path: Path) -> None:
    write(tmp_path, "2.0")

    assert {path.name for path in sources_of(tmp_path / "area.py", tmp_path)} == {"area.py", "scaling.py", "factors.py"}


def test_sources_of_the_project_are_found() -> None:
    project = Path(__file__).parents[2]

    found = sources_of(project / "training/models/trees.py", project)

    assert project / "features/compiled.py" in found
    assert project / "training/models/lightgbm_text.py" in found
