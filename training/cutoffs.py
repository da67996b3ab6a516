"""Where in time a model is trained and where it is measured: never at random, always later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from features.instant import MICROSECONDS_PER_DAY, Instant
from training.errors import NotEnoughData

DEFAULT_HORIZON_DAYS = 90
_SHORTER_HORIZONS_DAYS = (60, 30, 14, 7)
SHORTEST_HORIZON_DAYS = _SHORTER_HORIZONS_DAYS[-1]
_LARGEST_COUNT = 10
_SPACING_DAYS = 28
_YEAR_DAYS = 364
_LARGEST_COUNT_OF_YEARS = 27
"""Where there are years of history: enough for each season to be seen twice."""


class Span(Protocol):
    """The part of a history that cutoffs are chosen from."""

    @property
    def first_at(self) -> Instant | None: ...

    @property
    def last_at(self) -> Instant | None: ...

    def cutoffs(self, horizon_days: int, count: int) -> list[Instant]: ...


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """``training`` are those whose horizon was over when ``validation`` came; ``all`` are for the final model."""

    horizon_days: int
    all: tuple[Instant, ...]
    training: tuple[Instant, ...]
    validation: Instant
    note: str | None = None


def choose_cutoffs(history: Span, horizon_days: int | None) -> Cutoffs:
    """The cutoffs for a horizon; if none is asked for, for the longest one that the history can support.

    Raises
    ------
    NotEnoughData
        If the history is too short for a window to learn from and a later one to be measured on.
    """
    asked = [horizon_days] if horizon_days is not None else [DEFAULT_HORIZON_DAYS, *_SHORTER_HORIZONS_DAYS]
    for days in asked:
        found = time_ordered(history.cutoffs(days, _count(_length_days(history), days)), days)
        if found is not None:
            return found if days == asked[0] else _shortened(found, _length_days(history))
    smallest = asked[-1]
    length = "no events" if history.first_at is None else f"{_length_days(history):.1f} days of events"
    raise NotEnoughData("history", length, f"at least {fewest_days(smallest)} days for a horizon of {smallest} days")


def fewest_days(horizon_days: int) -> int:
    """From the first event to the last, the whole days with which a history of any length begins to be enough.

    >>> [fewest_days(days) for days in (7, 14, 30, 60, 90)]
    [15, 30, 70, 132, 194]
    """
    days = 2 * horizon_days
    while not _is_enough(days, horizon_days):
        days += 1
    return days


def _is_enough(days: int, horizon_days: int) -> bool:
    from features.history import spaced_cutoffs

    newest = (days - horizon_days) * MICROSECONDS_PER_DAY + 1
    return time_ordered(spaced_cutoffs(0, newest, _count(days, horizon_days), horizon_days), horizon_days) is not None


def _count(length_days: float, horizon_days: int) -> int:
    """How many cutoffs are worth looking at: back to the same season a year before, where the history reaches it."""
    room = length_days - horizon_days - _SPACING_DAYS
    if room < _YEAR_DAYS:
        return _LARGEST_COUNT
    largest = max(_LARGEST_COUNT_OF_YEARS, horizon_days // _SPACING_DAYS + 2)  # a horizon must fit between them
    return int(min(1 + room // _SPACING_DAYS, largest))


def time_ordered(cutoffs: Sequence[Instant], horizon_days: int) -> Cutoffs | None:
    """
    >>> day = MICROSECONDS_PER_DAY
    >>> found = time_ordered([0, 14 * day, 28 * day, 42 * day], horizon_days=20)
    >>> [cutoff // day for cutoff in found.training], found.validation // day
    ([0, 14], 42)
    """
    if not cutoffs:
        return None
    validation = cutoffs[-1]
    span = horizon_days * MICROSECONDS_PER_DAY
    training = tuple(cutoff for cutoff in cutoffs if cutoff + span <= validation)
    return Cutoffs(horizon_days, tuple(cutoffs), training, validation) if training else None


def _shortened(found: Cutoffs, length_days: float) -> Cutoffs:
    note = (
        f"horizon shortened from {DEFAULT_HORIZON_DAYS} to {found.horizon_days} days: "
        f"the history is {length_days:.0f} days long"
    )
    return Cutoffs(found.horizon_days, found.all, found.training, found.validation, note)


def _length_days(history: Span) -> float:
    if history.first_at is None or history.last_at is None:
        return 0.0
    return (history.last_at - history.first_at) / MICROSECONDS_PER_DAY
