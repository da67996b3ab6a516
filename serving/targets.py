"""What offers are about, and what a customer has bought of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.entities import Offer, Product
from features.id_table import IdTable
from features.money import MONEY_SCALE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Targets:
    """The targets of m offers, and, the other way round, the offers about each product (compressed sparse rows)."""

    product_sets: tuple[frozenset[str] | None, ...]
    """Product ids, categories resolved; ``None`` means everything."""
    is_everything: NDArray[np.bool_]
    row_of_product: IdTable
    offsets: Integers
    offer_rows: Integers


@dataclass(frozen=True, slots=True)
class TargetPurchases:
    """What one customer bought of each offer's target; amounts in money.

    Lines tell of orders only so far: an order is taken to hold one line of the target, as long as there are orders.
    """

    lines: Floats
    amount: Floats

    def share_of(self, orders: int) -> Floats:
        """The share of orders that held something of the target; one order is little evidence."""
        share: Floats = np.minimum(self.lines, orders) / (orders + 1.0)
        return share

    def spend_in(self, orders: int) -> Floats:
        """Currency units on the target in an order that holds it; NaN where there was none."""
        spend = np.empty(self.lines.size)
        _fill_spend(self.lines, self.amount, max(orders, 1), spend)
        return spend


def build_targets(offers: Sequence[Offer], products: Sequence[Product]) -> Targets:
    of_category: dict[str, list[str]] = {}
    for product in products:
        for category in {product.category, product.department} - {None}:
            of_category.setdefault(str(category), []).append(product.product_id)
    sets = tuple(_product_set(offer, of_category) for offer in offers)
    rows: dict[str, list[int]] = {}
    for row, product_set in enumerate(sets):
        for product_id in product_set or ():
            rows.setdefault(product_id, []).append(row)
    lengths = [len(some) for some in rows.values()]
    return Targets(
        product_sets=sets,
        is_everything=np.array([product_set is None for product_set in sets], dtype=np.bool_),
        row_of_product=IdTable({product_id: row for row, product_id in enumerate(rows)}),
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
        offer_rows=np.array([row for some in rows.values() for row in some], dtype=np.int64),
    )


def _product_set(offer: Offer, of_category: Mapping[str, list[str]]) -> frozenset[str] | None:
    target = offer.target
    if not target.products and not target.categories:
        return None
    named = (product_id for category in target.categories for product_id in of_category.get(category, ()))
    return frozenset((*target.products, *named))


def bought(targets: Targets, product_ids: Sequence[str], lines: Integers, amount: Integers) -> TargetPurchases:
    """Lines and amounts of one customer's products, summed over each offer's target.

    >>> from features.entities import Target
    >>> about_milk = build_targets([Offer(offer_id="a", target=Target(products=("milk",)))], [])
    >>> bought(about_milk, ["milk", "bread"], np.array([3, 9]), np.array([60_000, 1]))
    TargetPurchases(lines=array([3.]), amount=array([60000.]))
    """
    rows = targets.row_of_product.of(product_ids)
    size = len(targets.product_sets)
    sums = TargetPurchases(np.zeros(size), np.zeros(size))
    if rows.size and targets.offer_rows.size:
        _add(rows, lines, amount, targets.offsets, targets.offer_rows, sums.lines, sums.amount)
    if rows.size:
        sums.lines[targets.is_everything] = lines.sum()
        sums.amount[targets.is_everything] = amount.sum()
    return sums


@compiled
def _add(
    rows: Integers,
    lines: Integers,
    amount: Integers,
    offsets: Integers,
    offer_rows: Integers,
    lines_of_target: Floats,
    amount_of_target: Floats,
) -> None:
    for position in range(rows.size):
        row = rows[position]
        if row >= 0:
            for place in range(offsets[row], offsets[row + 1]):
                lines_of_target[offer_rows[place]] += lines[position]
                amount_of_target[offer_rows[place]] += amount[position]


@compiled
def _fill_spend(lines: Floats, amount: Floats, orders: int, spend: Floats) -> None:
    for row in range(lines.size):
        spend[row] = amount[row] / MONEY_SCALE / min(lines[row], orders) if lines[row] > 0 else np.nan


def about(targets: Targets, product_ids: Iterable[str]) -> NDArray[np.bool_]:
    """Which offers are about any of these products (an offer about everything always is, once there is one)."""
    ids = list(product_ids)
    hit = targets.is_everything & bool(ids)
    for product_id in ids:
        row = targets.row_of_product.get(product_id)
        if row is not None:
            hit[targets.offer_rows[targets.offsets[row] : targets.offsets[row + 1]]] = True
    return hit
