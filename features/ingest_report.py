"""What came of taking in files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from features.source_files import Source

Progress = Callable[[str, float], None]
"""Told what is being done, and which share of the whole is behind."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """``quarantine`` holds the refused rows; of several files, where there were any, the last one's."""

    accepted: int
    duplicates: int
    rejected: int
    quarantine: Path | None = None
    understood: tuple[Source, ...] = ()

    def __add__(self, other: "IngestReport") -> "IngestReport":
        return IngestReport(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            other.quarantine or self.quarantine,
            (*self.understood, *other.understood),
        )
