"""What is known of products from the customers who bought them before an instant."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from features.compiled import compiled
from features.instant import MICROSECONDS_PER_DAY
from training.models.purchase_histories import (
    HALF_LIFE_DAYS,
    Codes,
    Floats,
    NextBaskets,
    PurchaseHistories,
    customer_of,
)

PRIOR_BUYERS = 5.0
"""A statistic of a product counts as if that many more buyers had shown the average of all products."""

MOST_POPULAR = 1_000
"""Only that many products can be proposed to customers who have not bought them."""


class ProductKnowledge(NamedTuple):
    """One row a product of the vocabulary, and a last one for every product outside it.

    Attributes
    ----------
    popularity
        Logarithm of the decayed lines a customer.
    repeat_lift
        Logarithm of how much more often buyers bought it in their next order than their own frequency says.
    gap_days
        Geometric mean of days between purchases of those who came back to it.
    trend
        Decayed lines over all lines: low for a product whose time has passed.
    popular
        Codes by falling popularity.
    """

    popularity: Floats
    repeat_lift: Floats
    gap_days: Floats
    trend: Floats
    popular: Codes


@compiled
def own_gap_days(lines: float, decayed_at_last: float) -> float:
    """Days between purchases that a 90-day decayed count implies, were they evenly spaced; NaN below two lines.

    ``decayed_at_last`` is the count at the last purchase: 1 + 0.5 says that the one other was 90 days before.

    >>> round(own_gap_days(2.0, 1.5), 6)
    90.0
    """
    if lines < 2.0:
        return np.nan
    mean_weight = min(1.0, max(1e-6, (decayed_at_last - 1.0) / (lines - 1.0)))
    return float(-HALF_LIFE_DAYS * np.log2(mean_weight) * 2.0 / lines)


@compiled
def _gaps(lines: Floats, decayed_at_last: Floats) -> Floats:
    gaps = np.empty(lines.shape[0])
    for j in range(lines.shape[0]):
        gaps[j] = own_gap_days(lines[j], decayed_at_last[j])
    return gaps


def learn_products(
    histories: PurchaseHistories, products: int, answered: Sequence[tuple[PurchaseHistories, NextBaskets]]
) -> ProductKnowledge:
    """Statistics of the ``products`` of the vocabulary from ``histories``.

    ``answered`` are earlier histories with the baskets that followed them; all of it must be over when the
    knowledge is used, or the answer leaks into the question.
    """
    customers = max(1, len(histories.product_offsets) - 1)
    row = np.where(histories.code < 0, products, histories.code)
    lines = np.bincount(row, histories.lines, products + 1)
    decayed = np.bincount(row, histories.decayed, products + 1)
    decayed[products] = lines[products] = 0.0
    return ProductKnowledge(
        popularity=np.log((decayed + 0.5) / customers),
        repeat_lift=_repeat_lift(answered, products),
        gap_days=usual_gap_days(histories, products),
        trend=(decayed + 0.5) / (lines + 1.0),
        popular=np.argsort(-decayed[:products], kind="stable")[:MOST_POPULAR].astype(np.int32),
    )


def usual_gap_days(histories: PurchaseHistories, products: int) -> Floats:
    """Of each product, and last of those outside the vocabulary; see :class:`ProductKnowledge`."""
    row = np.where(histories.code < 0, products, histories.code)
    gaps = _gaps(histories.lines, histories.decayed_at_last)
    came_back = ~np.isnan(gaps) & (row < products)
    logarithms = np.log(np.maximum(gaps[came_back], 1.0))
    everyone = logarithms.mean() if logarithms.size else np.log(HALF_LIFE_DAYS)
    total = np.bincount(row[came_back], logarithms, products + 1) + PRIOR_BUYERS * everyone
    gap: Floats = np.exp(total / (np.bincount(row[came_back], minlength=products + 1) + PRIOR_BUYERS))
    return gap


def _repeat_lift(answered: Sequence[tuple[PurchaseHistories, NextBaskets]], products: int) -> Floats:
    observed: Floats = np.zeros(products + 1)
    expected: Floats = np.zeros(products + 1)
    for histories, baskets in answered:
        customer = customer_of(histories.product_offsets)
        asked = (np.diff(baskets.offsets) > 0)[customer] & (histories.code >= 0)
        share = np.minimum(1.0, histories.decayed / decayed_orders(histories)[customer])
        observed += np.bincount(histories.code[asked], baskets.is_next[asked].astype(np.float64), products + 1)
        expected += np.bincount(histories.code[asked], share[asked], products + 1)
    overall = observed.sum() / max(expected.sum(), 1e-9)
    if overall == 0.0:
        return np.zeros(products + 1)
    lift: Floats = np.log((observed / overall + PRIOR_BUYERS) / (expected + PRIOR_BUYERS))
    return lift


def decayed_orders(histories: PurchaseHistories) -> Floats:
    """Each customer's number of orders with a half-life of 90 days at ``as_of``; at least a trace."""
    weights = np.exp2((histories.order_at - histories.as_of) / (HALF_LIFE_DAYS * MICROSECONDS_PER_DAY))
    customers = len(histories.order_offsets) - 1
    counts = np.bincount(customer_of(histories.order_offsets), weights, customers).astype(np.float64)
    return np.maximum(counts, 1e-9)
