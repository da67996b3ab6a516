"""When what a customer buys again and again will next be bought: trees on how often, how long ago and how regularly."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.compiled import compiled
from features.instant import MICROSECONDS_PER_DAY
from features.product_lists import least_of_each
from features.profiles import Profiles
from features.replenishment import FEWEST_LINES, repurchase_interval_days, repurchased
from training.models.candidates import rhythm_of
from training.models.purchase_histories import Floats, Integers, PurchaseHistories, orders_since
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
        own = repurchase_interval_days(histories.lines[entries].astype(np.int64), histories.decayed_at_last[entries])
        return entries, self._days(histories, entries, own, gap_days)

    def due(
        self, profiles: Profiles, histories: PurchaseHistories, gap_days: Floats, limit: int
    ) -> tuple[Integers, Integers, Integers]:
        """Offsets by customer, the entries of histories, and the instants when these run out, soonest first.

        A product that is late by more than one interval of its own is given up.
        """
        products, as_of = profiles.products, histories.as_of
        offsets, entries, own = repurchased(products.offsets, products.lines, products.decayed, products.last_at, as_of)
        days = self._days(histories, entries, own, gap_days)
        places, ends = least_of_each(offsets, days, limit)
        due_at = as_of + np.rint(days[places] * MICROSECONDS_PER_DAY).astype(np.int64)
        return ends, entries[places], due_at

    def _days(self, histories: PurchaseHistories, entries: Integers, own: Floats, gap_days: Floats) -> Floats:
        terms = due_terms(histories, entries, own, gap_days)
        if self.trees is None:
            return np.maximum(terms[:, 0] - terms[:, 1], 0.0)
        return np.maximum(self.trees.predict_raw(terms), 0.0)

    def save(self, folder: Path) -> None:
        if self.trees is not None:
            self.trees.save(folder, TREES)

    @classmethod
    def load(cls, folder: Path) -> "Replenishment":
        return cls(FlatTrees.load(folder, TREES) if (folder / f"{TREES}.npz").is_file() else None)


def due_terms(histories: PurchaseHistories, entries: Integers, own: Floats, gap_days: Floats) -> Floats:
    """(entries, len(DUE_TERMS)); the entries, in growing order, have the intervals ``own``."""
    terms = np.empty((len(entries), len(DUE_TERMS)))
    _fill_terms(histories, entries, own, gap_days, terms)
    return terms


@compiled
def _fill_terms(histories: PurchaseHistories, entries: Integers, own: Floats, gap_days: Floats, into: Floats) -> None:
    if not entries.size:
        return
    i, rhythm = 0, rhythm_of(0, histories)
    for at in range(entries.shape[0]):
        j, row = entries[at], into[at]
        if j >= histories.product_offsets[i + 1]:
            while j >= histories.product_offsets[i + 1]:
                i += 1
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
