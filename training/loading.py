"""A deployed version's model, read back from the workspace; or why this program cannot read it."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from training.errors import TrainingError, why_unreadable
from training.learners import load
from training.registry import Deployment

_UNREADABLE = (LookupError, TypeError, ValueError, FileNotFoundError, BadZipFile)
"""What the readers raise of a folder that is damaged or of another version; a disk that fails is nobody's verdict."""


class CannotBeLoadedError(TrainingError):
    """The model of a version is of another format, reads other features, or is damaged; ``reason`` says which."""

    def __init__(self, deployment: Deployment, reason: str) -> None:
        super().__init__(f"{deployment.model} version {deployment.version} cannot be loaded: {reason}")
        self.reason = reason


def load_version(workspace: Path, deployment: Deployment, folder: str = "") -> Any:
    """The model that is to serve, or the one kept in a ``folder`` of the version.

    Raises
    ------
    CannotBeLoadedError
    """
    try:
        return load(deployment.model, workspace / deployment.path / folder)
    except (TrainingError, *_UNREADABLE) as error:
        raise CannotBeLoadedError(deployment, why_unreadable(error, workspace)) from error
