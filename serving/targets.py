"""What offers are about, and what a customer has bought of it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.compiled import compiled
from features.entities import Offer, Product
from features.money import MONEY_SCALE
from features.product_targets import ProductTargets, index_targets
from features.profile_tables import Products

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class TargetPurchases(Struct, frozen=True):
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


def build_targets(offers: Sequence[Offer], products: Sequence[Product]) -> ProductTargets:
    """What the offers are about, categories resolved."""
    of_category: dict[str, list[str]] = {}
    for product in products:
        for category in {product.category, product.department} - {None}:
            of_category.setdefault(str(category), []).append(product.product_id)
    return index_targets([_product_set(offer, of_category) for offer in offers])


def _product_set(offer: Offer, of_category: Mapping[str, list[str]]) -> frozenset[str] | None:
    target = offer.target
    if not target.products and not target.categories:
        return None
    named = (product_id for category in target.categories for product_id in of_category.get(category, ()))
    return frozenset((*target.products, *named))


def bought(targets: ProductTargets, products: Products) -> TargetPurchases:
    """Lines and amounts of one customer's products, summed over each offer's target."""
    sums = TargetPurchases(np.zeros(len(targets)), np.zeros(len(targets)))
    if products.lines.size:
        rows = products.numbers_in(targets.row_of_product)
        _add(
            rows, products.lines, products.amount,
            targets.combination, targets.offsets, targets.target, targets.is_everything,
            sums.lines, sums.amount,
        )  # fmt: skip
    return sums


@compiled
def _add(
    rows: Integers,
    lines: Integers,
    amount: Integers,
    combination: NDArray[np.int32],
    offsets: Integers,
    target: NDArray[np.int32],
    is_everything: NDArray[np.bool_],
    lines_of_target: Floats,
    amount_of_target: Floats,
) -> None:
    all_lines, all_amount = 0, 0
    for position in range(rows.size):
        row = rows[position]
        all_lines += lines[position]
        all_amount += amount[position]
        if row >= 0:
            for place in range(offsets[combination[row]], offsets[combination[row] + 1]):
                lines_of_target[target[place]] += lines[position]
                amount_of_target[target[place]] += amount[position]
    for number in range(is_everything.size):
        if is_everything[number]:
            lines_of_target[number], amount_of_target[number] = all_lines, all_amount


@compiled
def _fill_spend(lines: Floats, amount: Floats, orders: int, spend: Floats) -> None:
    for row in range(lines.size):
        spend[row] = amount[row] / MONEY_SCALE / min(lines[row], orders) if lines[row] > 0 else np.nan


def about(targets: ProductTargets, product_ids: Iterable[str]) -> NDArray[np.bool_]:
    """Which offers are about any of these products (an offer about everything always is, once there is one)."""
    ids = list(product_ids)
    hit = targets.is_everything & bool(ids)
    for product_id in ids:
        hit[targets.of(product_id)] = True
    return hit
