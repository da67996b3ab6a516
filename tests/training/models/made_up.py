"""Snapshots of made-up features, where what came of them is known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.history import Snapshot
from features.instant import MICROSECONDS_PER_DAY, parse
from features.profiles import empty

START = parse("2025-01-01")
HORIZON_DAYS = 28


def snapshot(
    day: int,
    customers: Sequence[int],
    features: NDArray[np.float64],
    orders: NDArray[np.int64],
    spend: NDArray[np.float64] | None = None,
) -> Snapshot:
    people = empty([f"c{number:04}" for number in customers])
    baskets: list[list[str]] = [[] for _ in customers]
    no_hours = np.zeros(len(people) + 1, dtype=np.int64), np.empty(0, dtype=np.uint8)
    spent = np.zeros(len(people)) if spend is None else spend
    as_of = START + day * MICROSECONDS_PER_DAY
    return Snapshot(as_of, HORIZON_DAYS, people, features, orders, spent, baskets, *no_hours)
