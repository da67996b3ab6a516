"""What people would otherwise rank products with: each answers a case with a list for every customer who is asked.

Where a method has settings, those are taken that did best on the newest cutoff that may be learned from.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.cases import Case
from features.history import Snapshot
from features.instant import MICROSECONDS_PER_DAY
from training.models.purchase_histories import PurchaseHistories, customer_of, histories_of, orders_since
from training.ranking_metrics import normalised_discounted_gain

Lists = list[list[str]]
K = 10
HALF_LIVES_DAYS = (7.0, 15.0, 30.0, 60.0, 120.0, 240.0)
MOST_TRIED = 400
"""Customers on whom settings are chosen."""
SEED = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """Customers as rows and products as columns: ``asked`` come first, then the others of whom something is known.

    With ``is_new_only`` nobody is listed what they have bought before.
    """

    products: list[str]
    histories: PurchaseHistories
    lines: Any
    asked: int
    is_new_only: bool = False

    @classmethod
    def of(cls, asked: Snapshot, others: Snapshot | None) -> "Pool":
        from features.profiles import concatenate

        profiles = asked.profiles if others is None else concatenate([asked.profiles, others.profiles])
        products = sorted(set(profiles.products.vocabulary))
        histories = histories_of(profiles, asked.as_of, {product: code for code, product in enumerate(products)})
        place = customer_of(histories.product_offsets), histories.code
        lines = csr_matrix((histories.lines, place), shape=(len(profiles), len(products)))
        return cls(products, histories, lines, len(asked.profiles))

    def matrix(self, weight: Any) -> Any:
        """(customers, products) with a weight of every product that a customer bought."""
        place = customer_of(self.histories.product_offsets), self.histories.code
        return csr_matrix((weight, place), shape=self.lines.shape)

    def lists(self, scores: Any, *, is_filled: bool = True) -> Lists:
        """The products of the highest scores above 0 of those asked, filled up with what everybody buys."""
        everybody = np.argsort(-np.asarray(self.lines.sum(axis=0)).ravel(), kind="stable").tolist()
        scores = self.open(csr_matrix(scores)[: self.asked], np.arange(self.asked))
        found = []
        for row in range(self.asked):
            values = scores.data[scores.indptr[row] : scores.indptr[row + 1]]
            codes = scores.indices[scores.indptr[row] : scores.indptr[row + 1]]
            best = [int(codes[at]) for at in np.argsort(-values, kind="stable")[:K] if values[at] > 0]
            closed = {*best, *(self.bought(row) if self.is_new_only else ())}
            more = (code for code in everybody if code not in closed) if is_filled else ()
            found.append([self.products[code] for code in islice(chain(best, more), K)])
        return found

    def bought(self, row: int) -> list[int]:
        found: list[int] = self.lines.indices[self.lines.indptr[row] : self.lines.indptr[row + 1]].tolist()
        return found

    def open(self, scores: Any, rows: Any) -> Any:
        """The scores of some customers, without those of what may not be listed."""
        return scores - scores.multiply(self.lines[rows] > 0) if self.is_new_only else scores


def references(case: Case) -> Iterator[tuple[str, Lists]]:
    """(name, lists of the test customers), one method after the other."""
    pool = _pool(case)
    newest = case.training[-1]
    tried = _tried(newest)
    practice = Pool.of(tried, None), tried.next_basket
    yield "global top", pool.lists(csr_matrix(pool.lines.shape))
    yield "personal top", pool.lists(frequency(pool), is_filled=False)
    yield "personal then global top (GP-TopFreq)", pool.lists(frequency(pool))
    yield "decayed personal frequency", _chosen(pool, practice, decayed_frequency, HALF_LIVES_DAYS)
    yield "implicit ALS", pool.lists(least_squares(pool))
    yield "implicit item-item", pool.lists(item_item(pool))
    yield "TIFU-KNN", _chosen(pool, practice, tifu_knn, TIFU_SETTINGS)


def references_of_new(case: Case) -> Iterator[tuple[str, Lists]]:
    """As :func:`references`, of products alone that the customer has never bought, by those that know of such."""
    pool = replace(_pool(case), is_new_only=True)
    tried = _tried(case.training[-1])
    practice = replace(Pool.of(tried, None), is_new_only=True), tried.next_basket
    yield "global top", pool.lists(csr_matrix(pool.lines.shape))
    yield "implicit ALS", pool.lists(least_squares(pool))
    yield "implicit item-item", pool.lists(item_item(pool))
    yield "TIFU-KNN", _chosen(pool, practice, tifu_knn, TIFU_SETTINGS)


def _pool(case: Case) -> Pool:
    newest = case.training[-1]
    return Pool.of(case.test, newest if newest.as_of == case.test.as_of else None)


def _tried(snapshot: Snapshot) -> Snapshot:
    from training.sample import take

    buyers = np.flatnonzero([bool(basket) for basket in snapshot.next_basket])
    chosen = np.random.default_rng(SEED).permutation(buyers)[:MOST_TRIED]
    return take(snapshot, np.sort(chosen))


def _chosen(
    pool: Pool, practice: tuple[Pool, Sequence[list[str]]], method: Callable[[Pool, Any], Any], settings: Sequence[Any]
) -> Lists:
    def gain(setting: Any) -> float:
        lists = practice[0].lists(method(practice[0], setting))
        pairs = zip(lists, practice[1], strict=True)
        return float(np.nanmean([normalised_discounted_gain(ranked, basket, K) for ranked, basket in pairs]))

    return pool.lists(method(pool, max(settings, key=gain)))


def frequency(pool: Pool) -> Any:
    """Lines of each product; of two as frequent the one bought later."""
    age = pool.histories.as_of - pool.histories.last_at
    return pool.matrix(pool.histories.lines + 0.5 / (1.0 + age / MICROSECONDS_PER_DAY))


def decayed_frequency(pool: Pool, half_life_days: float) -> Any:
    """Lines of each product, by the time since the last one."""
    days = (pool.histories.as_of - pool.histories.last_at) / MICROSECONDS_PER_DAY
    return pool.matrix(pool.histories.lines * np.exp2(-days / half_life_days))


def least_squares(pool: Pool) -> Any:
    """Implicit's ALS on all histories (Hu, Koren & Volinsky 2008)."""
    from implicit.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(factors=64, iterations=15, random_state=SEED)
        model.fit(pool.lines.astype(np.float32), show_progress=False)
        return _recommended(model, pool)


def item_item(pool: Pool) -> Any:
    """Implicit's nearest neighbours of items, by the cosine."""
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own conversion of what it has just made
        model.fit(pool.lines.astype(np.float64), show_progress=False)
    return _recommended(model, pool)


def _recommended(model: Any, pool: Pool) -> Any:
    asked = np.arange(pool.asked)
    codes, scores = model.recommend(asked, pool.lines[asked], N=K, filter_already_liked_items=pool.is_new_only)
    known = codes >= 0
    place = np.repeat(asked, codes.shape[1])[known.ravel()], codes[known]
    # A score may be negative, and the list is cut at 0.
    ranks = np.broadcast_to(1.0 / (1.0 + np.arange(codes.shape[1])), scores.shape)[known]
    return csr_matrix((ranks, place), shape=(pool.asked, pool.lines.shape[1]))


@dataclass(frozen=True, slots=True)
class TifuSettings:
    """Number of neighbours, decay within a group of orders and between groups, weight of the customer's own vector,
    orders in a group.
    """

    neighbours: int
    within: float
    between: float
    own: float
    group: int


TIFU_SETTINGS = (
    TifuSettings(300, 0.9, 0.7, 0.7, 7),  # the authors' for Ta-Feng
    TifuSettings(900, 0.9, 0.7, 0.9, 3),  # for Instacart
    TifuSettings(900, 0.9, 0.6, 0.2, 3),  # for Dunnhumby
)


def tifu_knn(pool: Pool, settings: TifuSettings) -> Any:
    """Hu, He, Gao & Zhang, SIGIR 2020: own vector of decayed purchases, mixed with that of the nearest customers.

    A profile says in which order a product was bought last, how often, and by its decayed count how long ago on
    average: the other purchases are taken as evenly spread over the orders before.
    """
    vectors = pool.matrix(_tifu_weights(pool.histories, settings))
    near = min(settings.neighbours, vectors.shape[0] - 1)
    squares = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    found = []
    for start in range(0, pool.asked, 256):
        rows = np.arange(start, min(start + 256, pool.asked))
        distance = squares - 2.0 * (vectors[rows] @ vectors.T).toarray()
        distance[np.arange(len(rows)), rows] = np.inf
        nearest = np.argpartition(distance, near - 1, axis=1)[:, :near]
        place = np.repeat(np.arange(len(rows)), near), nearest.ravel()
        mean = csr_matrix((np.full(nearest.size, 1.0 / near), place), shape=(len(rows), vectors.shape[0])) @ vectors
        found.append(_best(pool.open(settings.own * vectors[rows] + (1.0 - settings.own) * mean, rows)))
    return _stacked(found)


def _best(scores: Any) -> Any:
    """The scores of the first K of each row alone."""
    dense = scores.toarray()
    if dense.shape[1] <= K:
        return scores
    best = np.argpartition(-dense, K, axis=1)[:, :K]
    rows = np.arange(len(dense))[:, None]
    return csr_matrix((dense[rows, best].ravel(), (np.repeat(rows, K), best.ravel())), shape=dense.shape)


def _stacked(parts: Sequence[Any]) -> Any:
    from scipy.sparse import vstack

    return vstack(parts).tocsr()


def _tifu_weights(histories: PurchaseHistories, settings: TifuSettings) -> Any:
    customer = customer_of(histories.product_offsets)
    orders = np.diff(histories.order_offsets)[customer]
    since = np.array([orders_since(i, j, histories) for j, i in enumerate(customer.tolist())], dtype=np.float64)
    step = _orders_between(histories, customer, orders)
    weight = np.zeros(len(customer))
    for purchase in range(int(histories.lines.max(initial=0))):
        there = histories.lines > purchase
        back = np.minimum(since + purchase * step, orders - 1)[there]
        weight[there] += _tifu_decay(np.rint(back), orders[there], settings)
    return weight


def _orders_between(histories: PurchaseHistories, customer: Any, orders: Any) -> Any:
    """How many orders lie between purchases of each product, were they evenly spread."""
    from training.models.product_knowledge import own_gap_days

    gaps = np.array([own_gap_days(n, d) for n, d in zip(histories.lines, histories.decayed_at_last, strict=True)])
    first = histories.order_at[np.minimum(histories.order_offsets[:-1], len(histories.order_at) - 1)]
    days = (histories.as_of - first)[customer] / MICROSECONDS_PER_DAY
    return np.maximum(np.nan_to_num(gaps) * orders / np.maximum(days, 1.0), 0.0)


def _tifu_decay(back: Any, orders: Any, settings: TifuSettings) -> Any:
    """The weight of the order that lies ``back`` orders before the last: the mean in its group, decayed, and of groups.

    Groups are filled from the newest order on; the oldest may be smaller.
    """
    groups = np.ceil(orders / settings.group)
    group, place = back // settings.group, back % settings.group
    size = np.minimum(settings.group, orders - group * settings.group)
    return settings.within**place / size * settings.between**group / groups
