"""Ranked products against the next baskets: ours, what the customer buys often and lately, what everyone buys."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.instant import MICROSECONDS_PER_DAY
from training.evaluation import Evaluation
from training.models.purchase_histories import Floats, histories_of
from training.ranking_metrics import (
    mean_difference,
    normalised_discounted_gain,
    personal_hit,
    recall,
)

if TYPE_CHECKING:
    from features.history import Snapshot

K = 10
RECENCY_HALF_LIVES_DAYS = (15.0, 30.0, 60.0, 120.0)
BOOTSTRAP_SEED = 0
Lists = list[list[str]]
Metric = Callable[[Sequence[str], Collection[str], int], float]
METRICS: dict[str, Metric] = {
    f"recall_at_{K}": recall,
    f"ndcg_at_{K}": normalised_discounted_gain,
    f"personal_hit_rate_at_{K}": personal_hit,
}


def evaluate_ranking(ranked: Sequence[tuple[list[str], list[float]]], snapshot: "Snapshot") -> Evaluation:
    """Over the customers who ordered; differences are ours minus the personal baseline's, or where they name it minus
    what everybody buys, with a 95 % interval."""
    ours = _measure([products for products, _ in ranked], snapshot.next_basket)
    personal = _measure(personal_frequency(snapshot), snapshot.next_basket)
    popular = _measure([everyones(snapshot)] * len(snapshot.profiles), snapshot.next_basket)
    metrics = _means(ours) | _split([products for products, _ in ranked], snapshot)
    for name in (f"recall_at_{K}", f"ndcg_at_{K}"):
        for rival, beside in (("", personal), ("_most_popular", popular)):
            difference = mean_difference(ours[name], beside[name], np.random.default_rng(BOOTSTRAP_SEED))
            metrics |= {
                f"{name}{rival}_difference": difference.value,
                f"{name}{rival}_difference_low": difference.low,
                f"{name}{rival}_difference_high": difference.high,
            }
    return Evaluation(metrics, {"personal_frequency": _means(personal), "most_popular": _means(popular)})


def _measure(lists: Sequence[list[str]], baskets: Sequence[list[str]]) -> dict[str, Floats]:
    return {
        name: np.array([metric(products, basket, K) for products, basket in zip(lists, baskets, strict=True)])
        for name, metric in METRICS.items()
    }


def _means(measured: dict[str, Floats]) -> dict[str, float]:
    known = {name: values[np.isfinite(values)] for name, values in measured.items()}
    return {name: float(values.mean()) if values.size else float("nan") for name, values in known.items()}


def _split(lists: Lists, snapshot: "Snapshot") -> dict[str, float]:
    """Recall of products bought before and of those that are new to the customer."""
    products = snapshot.profiles.products
    repeated, new = [], []
    for i, (ranked, basket) in enumerate(zip(lists, snapshot.next_basket, strict=True)):
        codes = products.code[products.offsets[i] : products.offsets[i + 1]].tolist()
        bought = {products.vocabulary[code] for code in codes}
        repeated.append(recall(ranked, bought.intersection(basket), K))
        new.append(recall(ranked, set(basket) - bought, K))
    split = {f"repeat_recall_at_{K}": np.array(repeated), f"explore_recall_at_{K}": np.array(new)}
    return _means(split)


def personal_frequency(snapshot: "Snapshot") -> Lists:
    """Each customer's products by frequency with recency, filled up with what everyone buys.

    Of several ways to weigh recency the one is taken that does best on this very snapshot: no baseline of the kind
    could be chosen better beforehand.
    """
    histories = histories_of(snapshot.profiles, snapshot.as_of, {})
    days = (snapshot.as_of - histories.last_at) / MICROSECONDS_PER_DAY
    weights = [histories.decayed, histories.lines + np.exp2(-days / 30.0) / 2]
    weights += [histories.lines * np.exp2(-days / half_life) for half_life in RECENCY_HALF_LIVES_DAYS]
    lists = [_by_weight(snapshot, weight) for weight in weights]
    if not any(snapshot.next_basket):
        return lists[0]
    return max(lists, key=lambda one: float(np.nanmean(_measure(one, snapshot.next_basket)[f"recall_at_{K}"])))


def _by_weight(snapshot: "Snapshot", weight: Floats) -> Lists:
    products = snapshot.profiles.products
    everyone = everyones(snapshot)
    lists = []
    for i in range(len(snapshot.profiles)):
        first, last = products.offsets[i], products.offsets[i + 1]
        best = products.code[first + np.argsort(-weight[first:last], kind="stable")[:K]].tolist()
        own = [products.vocabulary[code] for code in best]
        lists.append([*own, *(product for product in everyone if product not in own)][:K])
    return lists


def everyones(snapshot: "Snapshot") -> list[str]:
    """The products bought most, decayed."""
    histories = histories_of(snapshot.profiles, snapshot.as_of, {})
    vocabulary = snapshot.profiles.products.vocabulary
    counts = np.bincount(histories.product, histories.decayed, len(vocabulary))
    return [vocabulary[code] for code in np.argsort(-counts, kind="stable")[:K].tolist()]
