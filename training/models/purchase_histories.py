"""What customers bought, as plain arrays; the one place where product models read profiles."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.id_table import IdTable
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.money import MONEY_SCALE
from features.profile_tables import offsets_of
from features.profiles import Profiles

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.int32]

HALF_LIFE_DAYS = 90.0
"""Of the count that profiles keep of every product."""


class PurchaseHistories(NamedTuple):
    """What n customers bought before ``as_of``, as compressed sparse rows.

    ``code`` is the product's row in the model's vocabulary, -1 outside it; ``product`` is its row in the profiles' own.
    ``decayed`` is the count of lines with a half-life of 90 days at ``as_of``, ``decayed_at_last`` is it at the last
    purchase; ``amount`` is in currency units.
    """

    as_of: Instant
    product_offsets: Integers
    product: Codes
    code: Codes
    lines: Floats
    amount: Floats
    last_at: Integers
    decayed: Floats
    decayed_at_last: Floats
    order_offsets: Integers
    order_at: Integers
    order_lines: Floats


class NextBaskets(NamedTuple):
    """The distinct products of each customer's first order after ``as_of``, in both vocabularies; -1 outside one.

    ``is_next`` says of every entry of the histories whether it is in that customer's basket.
    """

    offsets: Integers
    product: Codes
    code: Codes
    is_next: NDArray[np.bool_]


def histories_of(profiles: Profiles, as_of: Instant, codes: Mapping[str, int]) -> PurchaseHistories:
    """``codes`` is the model's vocabulary."""
    products, orders = profiles.products, profiles.orders
    code_of = lookup(products.vocabulary, codes)
    return PurchaseHistories(
        as_of,
        products.offsets,
        products.code,
        code_of[products.code] if code_of.size else products.code,
        products.lines.astype(np.float64),
        products.amount / MONEY_SCALE,
        products.last_at,
        products.decayed * np.exp2((products.last_at - as_of) / (HALF_LIFE_DAYS * MICROSECONDS_PER_DAY)),
        products.decayed,
        orders.offsets,
        orders.first_at,
        orders.lines.astype(np.float64),
    )


def lookup(product_ids: Sequence[str], codes: Mapping[str, int]) -> Codes:
    """The code of each, -1 where there is none; quickest where the codes are an ``IdTable``."""
    if isinstance(codes, IdTable):
        return codes.of(product_ids).astype(np.int32)
    return np.fromiter(map(codes.get, product_ids, repeat(-1)), dtype=np.int32, count=len(product_ids))


def next_baskets_of(snapshot: "Snapshot", codes: Mapping[str, int]) -> NextBaskets:
    products = snapshot.profiles.products
    own = {product_id: code for code, product_id in enumerate(products.vocabulary)}
    baskets = [list(dict.fromkeys(basket)) for basket in snapshot.next_basket]
    ids = [product_id for basket in baskets for product_id in basket]
    offsets = offsets_of(np.array([len(basket) for basket in baskets], dtype=np.int64))
    product = lookup(ids, own)
    is_next = is_within(products.offsets, products.code, offsets, product)
    return NextBaskets(offsets, product, lookup(ids, codes), is_next)


def is_within(offsets: Integers, items: Codes, other_offsets: Integers, others: Codes) -> NDArray[np.bool_]:
    """Of every item of a customer whether it is among that customer's others; -1 is among none.

    >>> is_within(np.array([0, 2, 3]), np.array([7, 8, 8]), np.array([0, 1, 1]), np.array([8]))
    array([False,  True, False])
    """
    width = np.int64(max(items.max(initial=0), others.max(initial=0)) + 1)
    wanted = np.sort((customer_of(other_offsets) * width + others)[others >= 0])
    if not wanted.size:
        return np.zeros(len(items), dtype=np.bool_)
    keys = customer_of(offsets) * width + items
    found = wanted[np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)]
    result: NDArray[np.bool_] = (found == keys) & (items >= 0)
    return result


def customer_of(offsets: Integers) -> Integers:
    """The customer to whom each entry belongs.

    >>> customer_of(np.array([0, 2, 2, 3]))
    array([0, 0, 2])
    """
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


@compiled
def orders_since(i: int, j: int, histories: PurchaseHistories) -> int:
    """How many orders customer ``i`` has made since the one that last held the product of entry ``j``."""
    first, last = histories.order_offsets[i], histories.order_offsets[i + 1]
    seen = np.searchsorted(histories.order_at[first:last], histories.last_at[j], side="right")
    return int(last - first - seen)
