"""Predicted due dates beside the purchases that came: what customers bought at least four times, and bought again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np

from benchmarks.cases import Case
from benchmarks.comparison import OURS, Answers, Measure
from features.event_log import log_table
from features.events import EventType
from features.instant import MICROSECONDS_PER_DAY
from features.store import Store
from training.models.favourite_product import FavouriteProductModel
from training.models.purchase_histories import customer_of, histories_of

FEWEST_PURCHASES = 4
"""Three repeats."""


@dataclass(frozen=True, slots=True)
class Repurchase:
    """In days from the cutoff: when a customer bought a product before, and when again."""

    first: float
    last: float
    purchases: int
    again: float

    @property
    def mean_gap(self) -> float:
        return (self.last - self.first) / (self.purchases - 1)


def due_answers(case: Case, model: FavouriteProductModel, store: Store, brand: str) -> Answers:
    """Days from the cutoff to the repurchase, as it was and as each method said.

    ``mean gap`` adds the mean of the customer's own gaps to the last purchase; it may also be told that nothing else
    than the horizon is asked about.
    """
    actual = repurchases(case, store, brand)
    pairs = [found for found in _predicted(case, model) if found[0] in actual]
    known = [actual[pair] for pair, _ in pairs]
    gap = np.array([one.last + one.mean_gap for one in known])
    predicted = {
        OURS: np.array([days for _, days in pairs]),
        "mean gap": gap,
        "mean gap, within the horizon": np.clip(gap, 0, case.test.horizon_days),
    }
    return Answers(
        case.label, [customer for (customer, _), _ in pairs], np.array([one.again for one in known]), predicted
    )


def _predicted(case: Case, model: FavouriteProductModel) -> Iterator[tuple[tuple[str, str], float]]:
    profiles = case.test.profiles
    histories = histories_of(profiles, case.test.as_of, model.codes)
    entries, days = model.replenishment.days(histories, model.knowledge.gap_days)
    rows, codes = customer_of(histories.product_offsets)[entries], profiles.products.code[entries]
    for row, code, after in zip(rows.tolist(), codes.tolist(), days.tolist(), strict=True):
        yield (profiles.customer_ids[row], profiles.products.vocabulary[code]), after


def repurchases(case: Case, store: Store, brand: str) -> Mapping[tuple[str, str], Repurchase]:
    """By customer and product, from the log: what was bought at ``FEWEST_PURCHASES`` times or more and again within the
    horizon.
    """
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET enable_progress_bar = false")
    end = case.test.as_of + case.test.horizon_days * MICROSECONDS_PER_DAY
    log = log_table(store, connection, brand, end)
    times = log.filter((log.type == EventType.PURCHASE.value) & log.product_id.notnull())
    times = times.select("customer_id", "product_id", day=(log.occurred_at - case.test.as_of) / MICROSECONDS_PER_DAY)
    times = times.distinct()
    found = times.group_by("customer_id", "product_id").aggregate(
        first=times.day.min(),
        last=times.day.max(where=times.day < 0),
        purchases=(times.day < 0).sum(),
        again=times.day.min(where=times.day >= 0),
    )
    rows: Any = found.filter((found.purchases >= FEWEST_PURCHASES) & found.again.notnull()).to_pyarrow().to_pylist()
    connection.disconnect()
    return {
        (row["customer_id"], row["product_id"]): Repurchase(row["first"], row["last"], row["purchases"], row["again"])
        for row in rows
    }


MEASURES = (
    Measure("due date, mean absolute error (days)", lambda actual, days: float(np.abs(actual - days).mean()), False),
    Measure("due date, median absolute error (days)", lambda actual, days: float(np.median(abs(actual - days))), False),
)
