"""The moments at which a message could go out: now, and every full local hour after, but for the quiet ones."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_HOUR, Instant
from features.zones import hours_of_week, local_microseconds


@dataclass(frozen=True, slots=True)
class Slots:
    """Instants in order, and the local hour of the week of each."""

    at: NDArray[np.int64]
    hour: NDArray[np.uint8]


@lru_cache(maxsize=256)
def send_slots(decided_at: Instant, timezone: str, quiet_hours: frozenset[int], within_hours: int) -> Slots:
    """The slots from ``decided_at`` on, for ``within_hours`` hours; none of them in a quiet hour (0 to 23, local).

    >>> send_slots(0, "UTC", frozenset({0, 1}), 4).at // MICROSECONDS_PER_HOUR
    array([2, 3])
    """
    now = np.array([decided_at], dtype=np.int64)
    into_hour = int(local_microseconds(now, timezone)[0] % MICROSECONDS_PER_HOUR)
    at = decided_at - into_hour + np.arange(within_hours, dtype=np.int64) * MICROSECONDS_PER_HOUR
    at[:1] = decided_at
    hour = hours_of_week(at, timezone)
    is_loud = ~np.isin(hour % 24, list(quiet_hours))
    return Slots(at[is_loud], hour[is_loud])


def best_slot(slots: Slots, scores: NDArray[np.float64] | None, is_allowed: NDArray[np.bool_]) -> Instant | None:
    """The earliest of the best allowed slots by the 168 hourly scores; without scores the earliest, if there is any."""
    allowed = np.flatnonzero(is_allowed)
    if not allowed.size:
        return None
    if scores is None:
        return int(slots.at[allowed[0]])
    return int(slots.at[allowed[scores[slots.hour[allowed]].argmax()]])
