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
    next_order_at: NDArray[np.int64]


NEVER = np.iinfo(np.int64).max
"""The ``next_order_at`` of who did not order in the window."""


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
    first_at = orders["first_at"].to_numpy().astype(np.int64)[known]
    next_order_at = np.full(len(customer_ids), NEVER, dtype=np.int64)
    np.minimum.at(next_order_at, rows, first_at)
    zones = [whereabouts.timezone_of(customer_id) for customer_id in customer_ids]
    return Outcomes(
        counts,
        np.bincount(rows, weights=amounts, minlength=len(customer_ids)) / MONEY_SCALE,
        _first_baskets(orders["products"], known, counts),
        offsets_of(counts),
        local_hours(first_at, rows, zones),
        next_order_at,
    )


def spend_of(events: Table, whereabouts: Whereabouts, customer_ids: Sequence[str]) -> NDArray[np.float64]:
    """What each of the given customers paid in a table of events, gross, in currency units."""
    lines = standing_purchases(events, whereabouts.roots)
    totals = lines.group_by("customer_id").aggregate(amount=lines.amount.sum()).to_pyarrow()
    paid = dict(zip(totals["customer_id"].to_pylist(), totals["amount"].to_pylist(), strict=True))
    amounts = np.fromiter((paid.get(customer_id, 0) for customer_id in customer_ids), np.float64, len(customer_ids))
    return amounts / MONEY_SCALE


def _first_baskets(products: Any, known: NDArray[np.int64], counts: NDArray[np.int64]) -> list[list[str]]:
    starts = np.cumsum(counts) - counts
    return [
        sorted(products[int(known[start])].as_py() or []) if count else []
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True)
    ]
