"""The moments at which a message could go out: now, and every full local hour after, but for the quiet ones."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from features.brand import QuietHours
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, MICROSECONDS_PER_SECOND, Instant
from features.zones import hours_of_week, local_microseconds

_MINUTE = 60 * MICROSECONDS_PER_SECOND
_QUARTER: Instant = MICROSECONDS_PER_HOUR // 4
"""Clocks of all zones differ by whole quarters of an hour."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Instants in order, and the local hour of the week of each."""

    at: NDArray[np.int64]
    hour: NDArray[np.uint8]


def send_slots(decided_at: Instant, timezone: str, quiet_hours: QuietHours | None, within_hours: int) -> Slots:
    """The slots from ``decided_at`` on, for ``within_hours`` hours, on the local clock; none of them a quiet one.

    >>> quiet_hours = QuietHours.model_validate({"from": "00:00", "to": "02:00"})
    >>> send_slots(0, "UTC", quiet_hours, 4).at // MICROSECONDS_PER_HOUR
    array([2, 3])
    """
    quarter = decided_at - decided_at % _QUARTER
    clock, later = _after(quarter, timezone, quiet_hours, within_hours)
    minute = (clock + decided_at - quarter) % MICROSECONDS_PER_DAY // _MINUTE
    if quiet_hours is not None and quiet_hours.hold_at(minute):
        return later
    hour = hours_of_week(np.array([clock], dtype=np.int64), "UTC")
    return Slots(np.concatenate(([decided_at], later.at)), np.concatenate((hour, later.hour)))


@lru_cache(maxsize=256)
def _after(quarter: Instant, timezone: str, quiet_hours: QuietHours | None, within_hours: int) -> tuple[Instant, Slots]:
    """The wall clock, and the full hours after it; kept from request to request."""
    clock = int(local_microseconds(np.array([quarter], dtype=np.int64), timezone)[0])
    full_hours = np.arange(1, within_hours, dtype=np.int64) * MICROSECONDS_PER_HOUR
    at = quarter - clock % MICROSECONDS_PER_HOUR + full_hours
    hour = hours_of_week(at, timezone)
    is_quiet = np.array([quiet_hours is not None and quiet_hours.hold_at(60 * h) for h in range(24)], dtype=np.bool_)
    is_loud = ~is_quiet[hour % 24]
    return clock, Slots(at[is_loud], hour[is_loud])


def best_slot(slots: Slots, scores: NDArray[np.float64] | None, is_allowed: NDArray[np.bool_]) -> Instant | None:
    """The earliest of the best allowed slots by the 168 hourly scores; without scores the earliest, if there is any."""
    allowed = np.flatnonzero(is_allowed)
    if not allowed.size:
        return None
    if scores is None:
        return int(slots.at[allowed[0]])
    return int(slots.at[allowed[scores[slots.hour[allowed]].argmax()]])
