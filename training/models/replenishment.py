"""When what a customer buys again and again will next be bought: trees on how often, how long ago and how regularly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.compiled import compiled
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profiles import Profiles
from features.replenishment import FEWEST_LINES, SHORTEST_INTERVAL_DAYS, repurchase_interval_days
from training.models.candidates import rhythm_of
from training.models.purchase_histories import Floats, Integers, PurchaseHistories, customer_of, orders_since
from training.models.trees import FlatTrees

DUE_TERMS = (
    "own_gap_days",
    "days_since_purchase",
    "days_over_own_gap",
    "product_gap_days",
    "own_over_product_gap",
    "lines",
    "share_of_orders",
    "orders_since_purchase",
    "days_between_orders",
    "days_since_order",
)
TREES = "replenishment"
DueProducts = list[tuple[str, Instant]]
"""(product_id, when it runs out), soonest first."""


@dataclass(frozen=True, slots=True)
class Replenishment:
    """``trees`` sum up to the median number of days from ``as_of`` to the next purchase, of what is bought again within
    the window that was learned from; None where too little ever was, and then own intervals speak.
    """

    trees: FlatTrees | None

    def days(self, histories: PurchaseHistories, gap_days: Floats) -> tuple[Integers, Floats]:
        """The entries of histories with at least ``FEWEST_LINES`` purchases, and in how many days each runs out.

        ``gap_days`` is that of each product code and, last, of those outside the vocabulary.
        """
        entries = np.flatnonzero(histories.lines >= FEWEST_LINES)
        terms = due_terms(histories, entries, gap_days)
        if self.trees is None:
            return entries, np.maximum(terms[:, 0] - terms[:, 1], 0.0)
        return entries, np.maximum(self.trees.predict_raw(terms), 0.0)

    def due(self, profiles: Profiles, histories: PurchaseHistories, gap_days: Floats, limit: int) -> list[DueProducts]:
        """For each customer; a product that is late by more than one interval of its own is given up."""
        entries, days = self.days(histories, gap_days)
        own = repurchase_interval_days(profiles.products.lines[entries], profiles.products.decayed[entries])
        waited = (histories.as_of - histories.last_at[entries]) / MICROSECONDS_PER_DAY
        wanted = np.flatnonzero((own >= SHORTEST_INTERVAL_DAYS) & (waited < 2 * own))
        customer = customer_of(histories.product_offsets)[entries]
        order = wanted[np.lexsort((days[wanted], customer[wanted]))]
        return _by_customer(customer[order], entries[order], days[order], profiles, histories.as_of, limit)

    def save(self, folder: Path) -> None:
        if self.trees is not None:
            self.trees.save(folder, TREES)

    @classmethod
    def load(cls, folder: Path) -> "Replenishment":
        return cls(FlatTrees.load(folder, TREES) if (folder / f"{TREES}.npz").is_file() else None)


def _by_customer(
    customer: Integers, entries: Integers, days: Floats, profiles: Profiles, as_of: Instant, limit: int
) -> list[DueProducts]:
    vocabulary: Sequence[str] = profiles.products.vocabulary
    found: list[DueProducts] = [[] for _ in range(len(profiles))]
    for row, entry, after in zip(customer.tolist(), entries.tolist(), days.tolist(), strict=True):
        if len(found[row]) < limit:
            at = as_of + round(after * MICROSECONDS_PER_DAY)
            found[row].append((vocabulary[profiles.products.code[entry]], at))
    return found


def due_terms(histories: PurchaseHistories, entries: Integers, gap_days: Floats) -> Floats:
    """(entries, len(DUE_TERMS))."""
    lines = histories.lines[entries].astype(np.int64)
    own = repurchase_interval_days(lines, histories.decayed_at_last[entries])
    terms = np.empty((len(entries), len(DUE_TERMS)))
    _fill_terms(histories, entries, customer_of(histories.product_offsets)[entries], own, gap_days, terms)
    return terms


@compiled
def _fill_terms(
    histories: PurchaseHistories, entries: Integers, customers: Integers, own: Floats, gap_days: Floats, into: Floats
) -> None:
    for at in range(entries.shape[0]):
        i, j, row = customers[at], entries[at], into[at]
        rhythm = rhythm_of(i, histories)
        row[0] = own[at]
        row[1] = max(0.0, (histories.as_of - histories.last_at[j]) / MICROSECONDS_PER_DAY)
        row[2] = row[1] / max(own[at], 1.0)
        row[3] = gap_days[histories.code[j]]
        row[4] = own[at] / max(row[3], 1.0)
        row[5] = histories.lines[j]
        row[6] = histories.lines[j] / max(rhythm.orders, 1)
        row[7] = orders_since(i, j, histories)
        row[8] = 1.0 / max(rhythm.orders_per_day, 1e-9)
        row[9] = rhythm.days_since_order
