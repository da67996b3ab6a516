"""What is known of a version besides its model: kept in its folder, so that comparing versions needs no MLflow."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from features.instant import Instant
from features.presented_terms import ResponseTerms

FILE = "record.json"
HELD_OUT_FOLDER = "held_out"
"""Within a version's folder: the same model before it saw the held-out cutoff, and what it lost there."""


@dataclass(frozen=True, slots=True)
class DataWindow:
    """What a version was trained on: everything that happened in [first_at, as_of), at these cutoffs."""

    first_at: Instant
    as_of: Instant
    horizon_days: int
    training_cutoffs: tuple[Instant, ...]
    validation_cutoff: Instant
    training_rows: int
    validation_rows: int
    orders_in_windows: int


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """``metrics`` and ``baselines`` (by baseline, by metric) are of the held-out cutoff; None is not defined there."""

    model: str
    brand: str
    fingerprint: str
    window: DataWindow
    parameters: dict[str, float | int]
    metrics: dict[str, float | None]
    baselines: dict[str, dict[str, float | None]]
    notes: tuple[str, ...] = ()
    response: ResponseTerms | None = None
    """Of the offer response model, what counted as a response."""


def write_record(record: VersionRecord, folder: Path) -> None:
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(record)))


def read_record(folder: Path) -> VersionRecord:
    return msgspec.json.decode((folder / FILE).read_bytes(), type=VersionRecord)
