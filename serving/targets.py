"""What offers are about, and what customers have bought of it."""

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
    """What each of n customers bought of each of m targets, (n, m).

    ``spend`` is in currency units, in an order that holds something of the target; NaN where there was none.
    """

    lines: Floats
    spend: Floats


def build_targets(offers: Sequence[Offer], products: Sequence[Product]) -> ProductTargets:
    """What the offers are about, categories resolved."""
    of_category: dict[str, list[str]] = {}
    for product in products:
        for category in {product.category, product.department} - {None}:
            of_category.setdefault(str(category), []).append(product.product_id)
    return index_targets([_product_set(offer, of_category) for offer in offers])


def _product_set(offer: Offer, of_category: Mapping[str, list[str]]) -> tuple[str, ...] | None:
    """Each once, in an order that is the same in every process, so that sums over them are."""
    target = offer.target
    if not target.products and not target.categories:
        return None
    named = (product_id for category in target.categories for product_id in of_category.get(category, ()))
    return tuple(sorted({*target.products, *named}))


def bought(targets: ProductTargets, products: Products, orders: Integers) -> TargetPurchases:
    """The products of customers who have so many ``orders`` each, summed over each target."""
    shape = len(orders), len(targets)
    found = TargetPurchases(np.zeros(shape), np.zeros(shape))
    _add(
        products.numbers_in(targets.row_of_product), products.offsets, products.lines, products.amount,
        targets.combination, targets.offsets, targets.target, targets.is_everything,
        found.lines, found.spend,
    )  # fmt: skip
    _divide_among_orders(found.lines, orders, found.spend)
    return found


@compiled
def _add(
    numbers: Integers,
    offsets_of_customers: Integers,
    lines: Integers,
    amount: Integers,
    combination: NDArray[np.int32],
    offsets_of_combinations: Integers,
    target: NDArray[np.int32],
    is_everything: NDArray[np.bool_],
    lines_of_target: Floats,
    amount_of_target: Floats,
) -> None:
    for customer in range(len(offsets_of_customers) - 1):
        all_lines, all_amount = 0, 0
        for position in range(offsets_of_customers[customer], offsets_of_customers[customer + 1]):
            number = numbers[position]
            all_lines += lines[position]
            all_amount += amount[position]
            if number >= 0:
                of = combination[number]
                for place in range(offsets_of_combinations[of], offsets_of_combinations[of + 1]):
                    lines_of_target[customer, target[place]] += lines[position]
                    amount_of_target[customer, target[place]] += amount[position]
        for row in range(is_everything.size):
            if is_everything[row]:
                lines_of_target[customer, row], amount_of_target[customer, row] = all_lines, all_amount


@compiled
def _divide_among_orders(lines: Floats, orders: Integers, amount: Floats) -> None:
    """In place: of what was spent on a target in all (money) that in an order which holds it (currency units)."""
    for customer in range(len(lines)):
        for row in range(lines.shape[1]):
            if lines[customer, row] > 0:
                in_orders = min(lines[customer, row], max(orders[customer], 1))
                amount[customer, row] = amount[customer, row] / MONEY_SCALE / in_orders
            else:
                amount[customer, row] = np.nan


def about(targets: ProductTargets, product_ids: Iterable[str]) -> NDArray[np.bool_]:
    """Which offers are about any of these products (an offer about everything always is, once there is one)."""
    ids = list(product_ids)
    hit = targets.is_everything & bool(ids)
    for product_id in ids:
        hit[targets.of(product_id)] = True
    return hit
