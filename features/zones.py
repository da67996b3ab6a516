"""Local time of many instants at once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from features.instant import HOURS_PER_WEEK, MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, MICROSECONDS_PER_SECOND

_THURSDAY = 3
"""The weekday of 1970-01-01; the week starts on Monday."""


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The IANA zone.

    Raises
    ------
    ValueError
        If there is no zone of that name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"timezone: got {name!r}, expected an IANA zone such as 'Europe/Moscow'") from error


def _offset(zone: ZoneInfo, second: int) -> int:
    """Seconds east of UTC."""
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def _change_between(zone: ZoneInfo, low: int, high: int) -> int:
    """The first second at which the offset is that of ``high``; low and high differ in offset."""
    after = _offset(zone, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(zone, middle) == after else (middle, high)
    return high


@lru_cache(maxsize=1024)
def _offsets_of_year(name: str, year: int) -> tuple[tuple[int, int], ...]:
    """(first second, offset) of each stretch of one year UTC, probed every seven days."""
    zone = zone_named(name)
    start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())
    stretches = [(start, _offset(zone, start))]
    for probe in [*range(start + 7 * 86_400, end, 7 * 86_400), end - 1]:
        if _offset(zone, probe) != stretches[-1][1]:
            change = _change_between(zone, probe - 7 * 86_400, probe)
            stretches.append((change, _offset(zone, change)))
    return tuple(stretches)


def local_microseconds(at: NDArray[np.int64], timezone: str) -> NDArray[np.int64]:
    """The wall clock of each instant, as if it were an instant in UTC."""
    if at.size == 0:
        return at
    years = at.min().astype("datetime64[us]").astype("datetime64[Y]"), at.max().astype("datetime64[us]")
    first, last = (int(year.astype("datetime64[Y]").astype(np.int64)) + 1970 for year in years)
    stretches = [stretch for year in range(first, last + 1) for stretch in _offsets_of_year(timezone, year)]
    starts = np.array([second for second, _ in stretches], dtype=np.int64) * MICROSECONDS_PER_SECOND
    offsets = np.array([offset for _, offset in stretches], dtype=np.int64) * MICROSECONDS_PER_SECOND
    return at + offsets[np.searchsorted(starts, at, side="right") - 1]


def hours_of_week(at: NDArray[np.int64], timezone: str) -> NDArray[np.uint8]:
    """The local hour of the week, 0 (Monday 00:00) to 167, of each instant.

    >>> hours_of_week(np.array([0]), "UTC")  # a Thursday, 00:00
    array([72], dtype=uint8)
    """
    return _hours_of_week(local_microseconds(at, timezone))


def _hours_of_week(local: NDArray[np.int64]) -> NDArray[np.uint8]:
    days = local // MICROSECONDS_PER_DAY + _THURSDAY
    hours = local % MICROSECONDS_PER_DAY // MICROSECONDS_PER_HOUR
    return ((days * 24 + hours) % HOURS_PER_WEEK).astype(np.uint8)


def local_hours(at: NDArray[np.int64], rows: NDArray[np.int64], zones: Sequence[str]) -> NDArray[np.uint8]:
    """The hour of the week of each instant in the zone of its row."""
    hours = np.zeros(at.size, dtype=np.uint8)
    names, zone_of_row = np.unique(np.array(zones), return_inverse=True)
    zone = zone_of_row[rows]
    for number, name in enumerate(names):
        mine = zone == number
        hours[mine] = hours_of_week(at[mine], str(name))
    return hours
