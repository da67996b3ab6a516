"""When a customer will need something again: by product, and at all."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profile_tables import offsets_of
from features.profiles import Profiles
from features.statistics import PRODUCT_HALF_LIFE_DAYS

Floats = NDArray[np.float64]

FEWEST_LINES = 3
"""Purchases of a product from which an interval is read."""
SHORTEST_INTERVAL_DAYS = 1.0
UNKNOWN: Instant = -1

Due = list[tuple[str, Instant]]
"""(product_id, when it runs out), soonest first."""
LIMIT = 10

_BISECTIONS = 40


def repurchase_interval_days(lines: NDArray[np.int64], decayed: Floats) -> Floats:
    """The interval of each product, from how often it was bought and its decayed count at the last time.

    ``n`` purchases ``t`` days apart have at the last of them the decayed count 1 + q + ... + q^(n-1) with
    q = 2^(-t / half-life); this is solved for ``t``. NaN where there are fewer than three purchases.

    >>> day = 2.0 ** (-14 / 90)
    >>> repurchase_interval_days(np.array([4]), np.array([1 + day + day**2 + day**3])).round(6)
    array([14.])
    """
    low, high = np.zeros(lines.size), np.ones(lines.size)
    for _ in range(_BISECTIONS):
        q = (low + high) / 2
        total = (1 - q**lines) / np.maximum(1 - q, 1e-12)
        low, high = np.where(total < decayed, q, low), np.where(total < decayed, high, q)
    days = -PRODUCT_HALF_LIFE_DAYS * np.log2(np.maximum((low + high) / 2, 1e-300))
    return np.where(lines >= FEWEST_LINES, days, np.nan)


def due_of_all(profiles: Profiles, as_of: Instant, limit: int = LIMIT) -> list[Due]:
    """What each customer buys again and again, and when it runs out.

    A product that is late by more than one interval of its own is given up.
    """
    products = profiles.products
    often = np.flatnonzero(products.lines >= FEWEST_LINES)
    customer = np.repeat(np.arange(len(profiles)), np.diff(products.offsets))[often]
    days = repurchase_interval_days(products.lines[often], products.decayed[often])
    interval = days * MICROSECONDS_PER_DAY
    due = products.last_at[often] + interval
    wanted = np.flatnonzero((days >= SHORTEST_INTERVAL_DAYS) & (due + interval > as_of))
    soonest = wanted[np.lexsort((due[wanted], customer[wanted]))]
    ends = offsets_of(np.bincount(customer[wanted], minlength=len(profiles)).astype(np.int64))
    codes, instants = products.code[often][soonest].tolist(), due[soonest].astype(np.int64).tolist()
    found: list[Due] = []
    for start, end in pairwise(ends.tolist()):
        first = range(start, min(end, start + limit))
        found.append([(products.vocabulary[codes[i]], instants[i]) for i in first])
    return found


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
