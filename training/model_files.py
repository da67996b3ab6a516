"""A version's files in the workspace: there complete, or not there at all.

They are copied beside their place, made durable, and only then renamed into it: who finds the folder finds the model.
"""

import os
import shutil
from pathlib import Path
from urllib.parse import quote

_INCOMING = ".incoming-"


def version_path(brand: str, model: str, version: str, run_id: str) -> str:
    """The folder of a version, relative to the workspace; brand names may hold any character.

    The run is in the name because version numbers begin again at 1 when MLflow's database is deleted.

    >>> version_path("de luxe/../x", "churn", "3", "0f5ab1e2c3d4")
    'models/de%20luxe%2F%2E%2E%2Fx/churn/3-0f5ab1e2'
    """
    return "/".join(["models", _safe(brand), _safe(model), f"{_safe(version)}-{_safe(run_id[:8])}"])


def install(workspace: Path, source: Path, path: str) -> Path:
    """The folder ``workspace / path`` with a durable copy of ``source``; a version already there is left as it is."""
    target = workspace / path
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming = target.with_name(f"{_INCOMING}{target.name}-{os.getpid()}")
    shutil.rmtree(incoming, ignore_errors=True)
    shutil.copytree(source, incoming)
    for entry in [*incoming.rglob("*"), incoming]:
        _make_durable(entry)
    incoming.rename(target)
    for folder in (target.parent, target.parent.parent, target.parent.parent.parent):
        _make_durable(folder)
    return target


def remove_incoming(workspace: Path) -> int:
    """How many half-copied versions were removed; call it only where no other training can be running."""
    leftovers = [*(workspace / "models").glob(f"*/*/{_INCOMING}*")]
    for folder in leftovers:
        shutil.rmtree(folder, ignore_errors=True)
    return len(leftovers)


def _safe(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
