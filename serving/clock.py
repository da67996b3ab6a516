"""What time it is for the service; nobody else there asks."""

import time
from collections.abc import Callable

from features import instant
from features.errors import FieldError
from features.instant import Instant

Clock = Callable[[], Instant]


def system_clock() -> Instant:
    return time.time_ns() // 1_000


def clock_at(frozen: str | None) -> Clock:
    """A clock that stands at an ISO 8601 time; without one, the system's.

    >>> clock_at("1970-01-01T00:00:01Z")()
    1000000

    Raises
    ------
    FieldError
    """
    if not frozen:
        return system_clock
    try:
        stands_at = instant.parse(frozen)
    except ValueError:
        raise FieldError("clock", frozen, "an ISO 8601 time such as 2017-11-20T00:00:00Z") from None
    return lambda: stands_at
