"""What the service is told by its environment: its clock, and the brand of requests that name none."""

import time
from collections.abc import Callable

from features import instant
from features.errors import FieldError
from features.instant import Instant

CLOCK_VARIABLE = "LAGNIAPPE_CLOCK"
"""Names the instant at which the service's clock stands, for demonstrations and replays."""
BRAND_VARIABLE = "LAGNIAPPE_BRAND"
"""Names the brand of requests that name none."""
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
        stands_at = instant.parse_asked(frozen)
    except ValueError:
        raise FieldError(CLOCK_VARIABLE, frozen, instant.ASKED_FOR) from None
    return lambda: stands_at
