"""What customers buy next: by product alone, and after the products that they bought before.

What people have bought for years and what they buy next differ: seasons, promotions and what is bought but once.
Learned from histories and the first basket after each (the transitions of Rendle, Freudenthaler & Schmidt-Thieme 2010,
counted rather than factorised).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from training.models.purchase_histories import (
    Codes,
    Floats,
    Integers,
    NextBaskets,
    PurchaseHistories,
    customer_of,
    orders_since,
)

Asked = tuple[PurchaseHistories, NextBaskets, Integers]
"""Histories, what followed them, and the customers among them that may be learned from."""

PRIOR = 5.0
"""A share counts as if that many more customers had shown the average, a transition as if it had missed as often."""
MOST_SOURCES = 60
"""The products of a customer from which transitions start, the most decayed count first."""
MOST_TRANSITIONS = 40
"""Kept of each product, the most frequent; twice as many take nearly twice as long to add up, for lists no better on
Complete Journey and a hundredth better on Ta-Feng."""
MOST_POPULAR = 200
RECENCY_PER_ORDER = 0.7
"""What each later order takes off a product's weight: the group decay of Hu et al. (SIGIR 2020)."""

SHARE_RECENT, COSINE_RECENT, SHARE_ALL, COSINE_ALL = range(4)
"""Columns of transition scores: the mean share of the next baskets after each product of the customer, recent ones
weighing more or all the same; and the cosine, which discounts what everyone buys."""
SCORES = 4


class NextPurchases(NamedTuple):
    """One row a product of the vocabulary, and a last one for every product outside it.

    Attributes
    ----------
    bought, explored
        Logarithms of the share of next baskets that held it, and that held it for the first time.
    returned
        The share of those who had bought it whose next basket held it again.
    source, target
        Square roots of the weight with which it was bought before, and of how often it was bought next.
    offsets, code, share
        Transitions from product ``i``: to ``code[offsets[i]:offsets[i + 1]]``, the share of next baskets after it.
    popular
        Codes by falling ``explored``.
    """

    bought: Floats
    explored: Floats
    returned: Floats
    source: Floats
    target: Floats
    offsets: Integers
    code: Codes
    share: NDArray[np.float32]
    popular: Codes


def learn_next_purchases(asked: Sequence[Asked], products: int) -> NextPurchases:
    """From the customers in ``asked`` who did buy something after."""
    from scipy.sparse import csr_matrix

    baskets, bought, again, buyers = 0, *(np.zeros(products + 1) for _ in range(3))
    source = np.zeros(products)
    transitions: Any = csr_matrix((products, products))
    for histories, after, customers in asked:
        is_asked = np.zeros(len(after.offsets) - 1, dtype=np.bool_)
        is_asked[customers] = np.diff(after.offsets)[customers] > 0
        baskets += int(is_asked.sum())
        before = is_asked[customer_of(histories.product_offsets)]
        known = is_asked[customer_of(after.offsets)] & (after.code >= 0)
        bought += np.bincount(after.code[known], minlength=products + 1)
        buyers += _count(histories.code[before], products)
        again += _count(histories.code[before & after.is_next], products)
        weight = _sources(histories, is_asked, products)
        next_of = (np.ones(int(known.sum())), (customer_of(after.offsets)[known], after.code[known]))
        transitions = transitions + weight.T @ csr_matrix(next_of, shape=(weight.shape[0], products))
        source += np.asarray(weight.sum(axis=0)).ravel()
    explored = np.maximum(bought - again, 0.0)
    returning = again.sum() / max(buyers.sum(), 1.0)
    return NextPurchases(
        np.log((bought + 0.5) / (baskets + 1.0)),
        np.log((explored + 0.5) / (baskets + 1.0)),
        (again + PRIOR * returning) / (buyers + PRIOR),
        np.sqrt(source + PRIOR),
        np.sqrt(bought + PRIOR),
        *_pruned(transitions.tocsr(), source),
        np.argsort(-explored[:products], kind="stable")[:MOST_POPULAR].astype(np.int32),
    )


def _count(codes: Codes, products: int) -> Floats:
    counts: Floats = np.bincount(codes[codes >= 0], minlength=products + 1).astype(np.float64)
    return counts


def _sources(histories: PurchaseHistories, is_asked: NDArray[np.bool_], products: int) -> Any:
    """(customers, products): the weight of each product from which transitions start."""
    from scipy.sparse import csr_matrix

    weight = np.zeros(len(histories.code))
    _fill_weights(histories, is_asked, weight)
    kept = (weight > 0) & (histories.code >= 0)
    place = customer_of(histories.product_offsets)[kept], histories.code[kept]
    return csr_matrix((weight[kept], place), shape=(len(is_asked), products))


@compiled
def _fill_weights(histories: PurchaseHistories, is_asked: NDArray[np.bool_], weight: Floats) -> None:
    for i in range(is_asked.shape[0]):
        first, last = histories.product_offsets[i], histories.product_offsets[i + 1]
        if is_asked[i]:
            for at in np.argsort(-histories.decayed[first:last], kind="mergesort")[:MOST_SOURCES]:
                weight[first + at] = RECENCY_PER_ORDER ** orders_since(i, first + at, histories)


def _pruned(transitions: Any, source: Floats) -> tuple[Integers, Codes, NDArray[np.float32]]:
    """Offsets, codes and shares of the most frequent transitions of each product."""
    starts = transitions.indptr.astype(np.int64)
    kept = _most_frequent(starts, transitions.data)
    row = customer_of(starts)[kept]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(source)))]).astype(np.int64)
    share = transitions.data[kept] / (source[row] + PRIOR)
    return offsets, transitions.indices[kept].astype(np.int32), share.astype(np.float32)


@compiled
def _most_frequent(starts: Integers, frequency: Floats) -> Integers:
    """The places of up to MOST_TRANSITIONS entries of each row."""
    kept = np.empty(frequency.shape[0], dtype=np.int64)
    count = 0
    for row in range(starts.shape[0] - 1):
        first, last = starts[row], starts[row + 1]
        if last - first > MOST_TRANSITIONS:
            best = first + np.argsort(-frequency[first:last], kind="mergesort")[:MOST_TRANSITIONS]
        else:
            best = np.arange(first, last)
        kept[count : count + best.shape[0]] = best
        count += best.shape[0]
    return kept[:count]


class Scales(NamedTuple):
    """What makes scores of sums, from the products of a customer that transitions start from: one over the sum of their
    weights and its square root, one over their number and its square root.
    """

    recent: float
    root_recent: float
    all: float
    root_all: float


@compiled
def add_transitions(
    i: int, chosen: Integers, histories: PurchaseHistories, known: NextPurchases, sums: Floats, touched: Codes
) -> tuple[int, Scales]:
    """Adds the sums that :func:`write_transition_scores` scales, of customer ``i``; writes the codes that got any and
    returns how many.

    ``chosen`` are places among the customer's products; ``sums`` (products + 1, SCORES) must come as zeros, ``touched``
    with room for one code more than there are.
    """
    first = histories.product_offsets[i]
    total_recent, total, count = 1e-9, 1e-9, 0
    for at in chosen[:MOST_SOURCES]:
        code = histories.code[first + at]
        if code < 0:
            continue
        weight = RECENCY_PER_ORDER ** orders_since(i, first + at, histories)
        total_recent += weight
        total += 1.0
        source = known.source[code]
        for place in range(known.offsets[code], known.offsets[code + 1]):
            to, share = known.code[place], known.share[place]
            # Written each time and kept the first time: a branch would be mispredicted every third time.
            touched[count] = to
            count += sums[to, SHARE_ALL] == 0.0
            sums[to, SHARE_RECENT] += weight * share
            sums[to, COSINE_RECENT] += weight * share * source
            sums[to, SHARE_ALL] += share
            sums[to, COSINE_ALL] += share * source
    return count, Scales(1.0 / total_recent, 1.0 / np.sqrt(total_recent), 1.0 / total, 1.0 / np.sqrt(total))


@compiled
def write_transition_scores(sums: Floats, scales: Scales, target: float, into: Floats) -> None:
    """Writes the SCORES of a product from its sums; ``target`` is one over its own of :class:`NextPurchases`."""
    into[SHARE_RECENT] = sums[SHARE_RECENT] * scales.recent
    into[COSINE_RECENT] = sums[COSINE_RECENT] * scales.root_recent * target
    into[SHARE_ALL] = sums[SHARE_ALL] * scales.all
    into[COSINE_ALL] = sums[COSINE_ALL] * scales.root_all * target
