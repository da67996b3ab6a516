"""All that is known of products, laid out for looking one up: what is asked of a candidate lies side by side."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.models.collaborative_filtering import Tastes
from training.models.next_purchases import NextPurchases
from training.models.product_knowledge import ProductKnowledge
from training.models.purchase_histories import Codes, Floats

POPULARITY, REPEAT_LIFT, TREND, GAP_DAYS, BOUGHT, EXPLORED, RETURNED, OVER_TARGET = range(8)
"""Columns of :attr:`Known.facts`: those of :class:`ProductKnowledge`, then those of :class:`NextPurchases`, the last as
one over it: compiled code looks before each division whether it is by zero.
"""


class Known(NamedTuple):
    """From whatever customers it was learned.

    ``facts`` is (products + 1, 8), last what is said of a product outside the vocabulary. ``popular`` are the codes of
    products that may be near in taste, ``near`` (k, popular) their factors.
    """

    following: NextPurchases
    tastes: Tastes
    facts: Floats
    popular: Codes
    near: NDArray[np.float32]


def known_of(products: ProductKnowledge, following: NextPurchases, tastes: Tastes) -> Known:
    of_products = (products.popularity, products.repeat_lift, products.trend, products.gap_days)
    of_next_baskets = (following.bought, following.explored, following.returned, 1.0 / following.target)
    facts = np.column_stack([*of_products, *of_next_baskets])
    near = np.ascontiguousarray(tastes.factors[products.popular].T)
    return Known(following, tastes, facts, products.popular, near)
