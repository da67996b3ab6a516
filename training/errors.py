"""What can go wrong in training.

ValueError
└── TrainingError
    └── NotEnoughData
"""

from pathlib import Path


class TrainingError(ValueError):
    """A model could not be made, read or put to use."""

    code = "training"


class NotEnoughData(TrainingError):  # noqa: N818  (a verdict on the data, no fault of the program)
    """The history cannot support a model; it is skipped, and the reason is shown."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: got {value}, expected {expected}")
        self.field = field
        self.value = value
        self.expected = expected


def why_unreadable(error: Exception, workspace: Path) -> str:
    """What was wrong with the files of a version, named from the workspace on: where this lies is nobody's business."""
    why = str(error) if isinstance(error, TrainingError) else f"{type(error).__name__}: {error}"
    return why.replace(f"{workspace}/", "")
