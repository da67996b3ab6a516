"""The demo's own folder: made anew each time, and never somebody else's."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from training.demo.errors import DemoError

MARK = "made-by-lagniappe-demo"


@dataclass(frozen=True, slots=True)
class Place:
    workspace: Path

    @property
    def files(self) -> Path:
        return self.workspace / "complete-journey"

    @property
    def brand_file(self) -> Path:
        return self.workspace / "brand.yaml"

    @property
    def page(self) -> Path:
        return self.workspace / "demo.html"

    @property
    def log(self) -> Path:
        """What the commands said besides their answers."""
        return self.workspace / "demo.log"


def make_place(workspace: Path) -> Place:
    """An empty folder with the demo's mark in it; what an earlier demo left there is removed.

    Raises
    ------
    DemoError
        If the folder holds what is not the demo's, or cannot be written.
    """
    workspace = workspace.absolute()
    try:
        if workspace.is_dir() and any(workspace.iterdir()):
            if not (workspace / MARK).is_file():
                raise DemoError(f"--workspace: got {workspace}, expected an empty folder, or one of an earlier demo")
            shutil.rmtree(workspace)
        workspace.mkdir(parents=True, exist_ok=True)
        (workspace / MARK).touch()
    except OSError as error:
        raise DemoError(f"--workspace: got {workspace}, expected a folder that can be written ({error})") from error
    return Place(workspace)
