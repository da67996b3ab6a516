"""Instants: whole microseconds since 1970-01-01 00:00 UTC, as plain integers.

Integers compare, subtract and pack exactly; a zone is only needed where local time is asked for.
"""

from datetime import UTC, datetime, timedelta

Instant = int

MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_HOUR = 3_600 * MICROSECONDS_PER_SECOND
MICROSECONDS_PER_DAY = 24 * MICROSECONDS_PER_HOUR
HOURS_PER_WEEK = 168

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END: Instant = 4_102_444_800 * MICROSECONDS_PER_SECOND
"""2100-01-01."""
ASKED_FOR = "an ISO 8601 time from 1970 to 2099 such as 2017-11-20T18:00:00Z"
"""What :func:`parse_asked` takes."""


def from_datetime(moment: datetime) -> Instant:
    """The instant of a datetime; one without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def to_datetime(instant: Instant) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def to_iso(instant: Instant) -> str:
    """RFC 3339 in UTC, ending in ``Z``."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")


def parse(text: str) -> Instant:
    """The instant that an ISO 8601 date or time names; without a zone it is UTC.

    >>> parse("2017-11-20") == parse("2017-11-20T00:00:00+00:00")
    True

    Raises
    ------
    ValueError
        If the text is no ISO 8601 date or time.
    """
    return from_datetime(datetime.fromisoformat(text))


def parse_asked(text: str) -> Instant:
    """``parse`` for times as of which something is asked: so near that no sum overflows and no weight decays to 0.

    >>> parse_asked("9999-12-31")
    Traceback (most recent call last):
        ...
    ValueError: expected an ISO 8601 time from 1970 to 2099 such as 2017-11-20T18:00:00Z

    Raises
    ------
    ValueError
        If the text names no time from 1970 to 2099.
    """
    try:
        found = parse(text)
    except OverflowError:  # an offset that leads out of the calendar
        found = -1
    if not 0 <= found < _END:
        raise ValueError(f"expected {ASKED_FOR}")
    return found
