"""What lies beside a model's arrays: which model it is, what it reads and what it was fitted on.

A manifest is JSON; a model whose manifest asks for other features than this program computes is refused.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.vector import FINGERPRINT
from training.errors import TrainingError

FILE = "manifest.json"
FORMAT = 1


def write_manifest(folder: Path, model: str, words: Mapping[str, Any]) -> None:
    manifest = {"model": model, "format": FORMAT, "features": FINGERPRINT, **words}
    (folder / FILE).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def read_manifest(folder: Path, model: str) -> dict[str, Any]:
    """
    Raises
    ------
    TrainingError
        If the folder holds another model, an unknown format, or one that reads other features.
    """
    manifest: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    expected = {"model": model, "format": FORMAT, "features": FINGERPRINT}
    for name, value in expected.items():
        if manifest.get(name) != value:
            raise TrainingError(f"{folder / FILE}: {name}: got {manifest.get(name)!r}, expected {value!r}")
    return manifest
