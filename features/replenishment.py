"""When a customer will need something again: by product, and at all."""

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.product_lists import ProductLists, least_of_each
from features.profile_tables import offsets_of
from features.profiles import Profiles
from features.statistics import PRODUCT_HALF_LIFE_DAYS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FEWEST_LINES = 3
"""Purchases of a product from which an interval is read."""
SHORTEST_INTERVAL_DAYS = 1.0
UNKNOWN: Instant = -1

Due = list[tuple[str, Instant]]
"""(product_id, when it runs out), soonest first."""
LIMIT = 10

_MOST_STEPS = 60
_TOLERANCE = 1e-13
_LEAST_ROOT = 2.0**-41
"""Forty half-lives: further apart purchases leave no trace of each other in a decayed count."""


def repurchase_interval_days(lines: NDArray[np.int64], decayed: Floats) -> Floats:
    """The interval of each product, from how often it was bought and its decayed count at the last time.

    ``n`` purchases ``t`` days apart have at the last of them the decayed count 1 + q + ... + q^(n-1) with
    q = 2^(-t / half-life); this is solved for ``t``. NaN where there are fewer than three purchases.

    >>> day = 2.0 ** (-14 / 90)
    >>> repurchase_interval_days(np.array([4]), np.array([1 + day + day**2 + day**3])).round(6)
    array([14.])
    """
    days = np.empty(lines.size)
    _fill_intervals(lines, decayed, days)
    return days


@compiled
def _fill_intervals(lines: Integers, decayed: Floats, days: Floats) -> None:
    for at in range(days.size):
        days[at] = interval_days(lines[at], decayed[at])


@compiled
def interval_days(lines: int, decayed: float) -> float:
    """As :func:`repurchase_interval_days`, of one product."""
    if lines < FEWEST_LINES:
        return np.nan
    # An endless sum of powers comes to 1 / (1 - q), so this lies left of the root; Newton's method goes past it at the
    # first step and then comes back to it without going past again, for the sum is convex.
    q = max(1.0 - 1.0 / max(decayed, 1.0), 0.0)
    for _ in range(_MOST_STEPS):
        total, slope = 1.0, 0.0
        for _ in range(lines - 1):
            slope = slope * q + total
            total = total * q + 1.0
        step = (total - decayed) / slope
        q = min(max(q - step, 0.0), 1.0)
        if abs(step) < _TOLERANCE:
            break
    return float(-PRODUCT_HALF_LIFE_DAYS * np.log2(max(q, _LEAST_ROOT)))


def due_of_all(profiles: Profiles, as_of: Instant, limit: int = LIMIT) -> ProductLists:
    """What each customer buys again and again, and the instant when it runs out, soonest first.

    A product that is late by more than one interval of its own is given up.
    """
    products = profiles.products
    offsets, entries, days = repurchased(products.offsets, products.lines, products.decayed, products.last_at, as_of)
    due_at = products.last_at[entries] + (days * MICROSECONDS_PER_DAY).astype(np.int64)
    places, ends = least_of_each(offsets, due_at.astype(np.float64), limit)
    return ProductLists(ends, products.code[entries[places]], due_at[places], products.vocabulary)


def repurchased(
    offsets: Integers, lines: Integers, decayed: Floats, last_at: Integers, as_of: Instant
) -> tuple[Integers, Integers, Floats]:
    """The products that are bought again and again and not given up: offsets, their places, and their intervals."""
    entries, days = np.empty(lines.size, dtype=np.int64), np.empty(lines.size)
    counts = np.zeros(len(offsets) - 1, dtype=np.int64)
    _find_repurchased(offsets, lines, decayed, last_at, as_of, entries, days, counts)
    ends = offsets_of(counts)
    return ends, entries[: ends[-1]], days[: ends[-1]]


@compiled
def _find_repurchased(
    offsets: Integers,
    lines: Integers,
    decayed: Floats,
    last_at: Integers,
    as_of: Instant,
    entries: Integers,
    days: Floats,
    counts: Integers,
) -> None:
    found = 0
    for i in range(counts.size):
        for at in range(offsets[i], offsets[i + 1]):
            if lines[at] < FEWEST_LINES:
                continue
            own = interval_days(lines[at], decayed[at])
            waited = (as_of - last_at[at]) / MICROSECONDS_PER_DAY
            if own >= SHORTEST_INTERVAL_DAYS and waited < 2.0 * own:
                entries[found], days[found] = at, own
                found += 1
                counts[i] += 1


def expected_next_purchase_at(profiles: Profiles, as_of: Instant) -> NDArray[np.int64]:
    """When each customer will next buy; ``UNKNOWN`` with fewer than two orders.

    The median of the customer's own gaps that are longer than the time since the last order, after that order; where
    no gap was ever that long, a mean gap from now.
    """
    expected = np.full(len(profiles), UNKNOWN, dtype=np.int64)
    orders = profiles.orders
    if orders.first_at.size:
        _fill_expected(expected, orders.offsets, orders.first_at, as_of)
    return expected


@compiled
def _fill_expected(
    expected: NDArray[np.int64], offsets: NDArray[np.int64], first_at: NDArray[np.int64], as_of: Instant
) -> None:
    for row in range(expected.size):
        start, end = offsets[row], offsets[row + 1]
        if end - start < 2:
            continue
        gaps = first_at[start + 1 : end] - first_at[start : end - 1]
        waited = as_of - first_at[end - 1]
        longer = gaps[gaps > waited]
        if longer.size:
            expected[row] = first_at[end - 1] + np.int64(np.median(longer))
        else:
            expected[row] = as_of + np.int64((first_at[end - 1] - first_at[start]) / gaps.size)
