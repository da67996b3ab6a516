"""What customers bought in a window: the labels that models learn to predict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.backfill import Whereabouts, standing_purchases
from features.money import MONEY_SCALE
from features.profile_tables import offsets_of
from features.zones import local_hours

Table = Any


@dataclass(frozen=True, slots=True)
class Outcomes:
    """By customer, in the order asked for; see :class:`features.history.Snapshot`."""

    orders: NDArray[np.int64]
    spend: NDArray[np.float64]
    next_basket: list[list[str]]
    hour_offsets: NDArray[np.int64]
    hours: NDArray[np.uint8]


def outcomes(events: Table, whereabouts: Whereabouts, customer_ids: Sequence[str]) -> Outcomes:
    """The purchases in a table of events, of the given customers."""
    lines = standing_purchases(events, whereabouts.roots)
    grouped = lines.group_by("customer_id", "order_text").aggregate(
        first_at=lines.at.min(), amount=lines.amount.sum(), products=lines.product_id.collect(distinct=True)
    )
    orders = grouped.order_by("customer_id", "first_at", "order_text").to_pyarrow()
    number = {customer_id: row for row, customer_id in enumerate(customer_ids)}
    rows = np.array([number.get(customer_id, -1) for customer_id in orders["customer_id"].to_pylist()], dtype=np.int64)
    known = np.flatnonzero(rows >= 0)
    known = known[np.argsort(rows[known], kind="stable")]
    rows = rows[known]
    counts = np.bincount(rows, minlength=len(customer_ids)).astype(np.int64)
    amounts = orders["amount"].to_numpy().astype(np.float64)[known]
    zones = [whereabouts.timezone_of(customer_id) for customer_id in customer_ids]
    return Outcomes(
        counts,
        np.bincount(rows, weights=amounts, minlength=len(customer_ids)) / MONEY_SCALE,
        _first_baskets(orders["products"], known, counts),
        offsets_of(counts),
        local_hours(orders["first_at"].to_numpy().astype(np.int64)[known], rows, zones),
    )


def _first_baskets(products: Any, known: NDArray[np.int64], counts: NDArray[np.int64]) -> list[list[str]]:
    starts = np.cumsum(counts) - counts
    return [
        sorted(products[int(known[start])].as_py() or []) if count else []
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True)
    ]
