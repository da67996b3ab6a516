"""Recency, frequency and monetary value as the segments that marketers speak of.

The customer's own rhythm is the yardstick of recency (days since the last order over the mean gap between orders), so
that the weekly and the yearly shopper are each late in their own time, and a segment needs no population beside it.
"""

import numpy as np
from numpy.typing import NDArray

from features.vector import FEATURES

SEGMENTS = (
    "no_purchase",
    "new",
    "one_time",
    "champion",
    "loyal",
    "promising",
    "needs_attention",
    "at_risk",
    "cannot_lose",
    "lost",
)
"""In the order in which they are asked for; the last is everybody else."""

NEW_DAYS = 30
"""A single order as old as this is no longer new."""
ON_TIME, LATE, GONE = 1.5, 3.0, 6.0
"""Recency over the mean gap: up to the first is on time, beyond the last is lost."""
FREQUENT_PER_YEAR, FAITHFUL_ORDERS = 12.0, 10
"""Orders, with a half-life of a year, that make a champion; orders in all that make someone worth winning back."""

_ORDERS = FEATURES.index("orders")
_RECENCY = FEATURES.index("days_since_last_order")
_RATIO = FEATURES.index("recency_over_mean_gap")
_FREQUENCY = FEATURES.index("orders_decayed_365")
_TREND = FEATURES.index("trend_of_spend")


def rfm_segments(features: NDArray[np.float64]) -> list[str]:
    """The segment of each customer, from the feature vectors; an opted-out customer is in ``no_purchase``."""
    return [SEGMENTS[code] for code in rfm_segment_codes(features).tolist()]


def rfm_segment_codes(features: NDArray[np.float64]) -> NDArray[np.int64]:
    """As :func:`rfm_segments`, by their place in ``SEGMENTS``."""
    orders, recency = np.nan_to_num(features[:, _ORDERS]), features[:, _RECENCY]
    ratio = np.nan_to_num(features[:, _RATIO], nan=np.inf)
    frequent = features[:, _FREQUENCY] >= FREQUENT_PER_YEAR
    faithful = orders >= FAITHFUL_ORDERS
    growing = features[:, _TREND] >= 1.0
    rules = [
        orders == 0,
        (orders == 1) & (recency <= NEW_DAYS),
        orders == 1,
        (ratio <= ON_TIME) & frequent & growing,
        (ratio <= ON_TIME) & (frequent | faithful),
        ratio <= ON_TIME,
        ratio <= LATE,
        (ratio <= GONE) & ~faithful,
        (ratio <= GONE) & faithful,
    ]
    return np.select(rules, np.arange(len(rules)), default=len(rules)).astype(np.int64)
