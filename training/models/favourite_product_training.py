"""From snapshots to a favourite product model; everything known of products is older than the baskets it explains."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from training.errors import NotEnoughData
from training.models.affinity_weights import Answered, fit_affinity
from training.models.calibration import Platt, fit_platt
from training.models.collaborative_filtering import Tastes, learn_tastes
from training.models.favourite_product import FavouriteProductModel
from training.models.known_products import known_of
from training.models.learning_to_rank import RankingRows, fit_ranker, gains, ranking_rows
from training.models.next_purchases import Asked, learn_next_purchases
from training.models.product_knowledge import learn_products
from training.models.purchase_histories import (
    Integers,
    NextBaskets,
    PurchaseHistories,
    histories_of,
    next_baskets_of,
)
from training.models.replenishment_training import fit_replenishment
from training.models.trees import FlatTrees

if TYPE_CHECKING:
    from features.history import Snapshot
    from features.profiles import Profiles

DEFAULTS: Mapping[str, float | int] = {
    "trees": 60,
    "leaves": 31,
    "depth": 6,
    "learning_rate": 0.12,
    "least_rows_in_leaf": 200,
    "factors": 16,
    "taste_weight": 4.0,
    "taste_ridge": 0.1,
    "taste_sweeps": 5,
}
FOLDS = 5
MOST_CUTOFFS = 4
"""The newest; with twice as many the lists were no better (Complete Journey) and the time was twice as long."""
FEWEST_BASKETS = 30
AFFINITY_CUTOFFS = 3
MOST_CALIBRATION_ROWS = 300_000


class Example(NamedTuple):
    """A cutoff: what was known before it, the baskets after it, and when all of these were over."""

    histories: PurchaseHistories
    baskets: NextBaskets
    ends_at: int


def fit(snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int) -> FavouriteProductModel:
    """See :meth:`FavouriteProductModel.fit`."""
    chosen = {**DEFAULTS, **parameters}
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.as_of)
    _check(ordered)
    vocabulary = vocabulary_of(ordered[-1].profiles)
    codes = {product_id: code for code, product_id in enumerate(vocabulary)}
    examples = [example_of(snapshot, codes) for snapshot in ordered]
    asked = range(len(examples))[1:][-MOST_CUTOFFS:] or range(1)
    answered = [answer(examples, k, len(codes)) for k in asked]
    rows = [part for k, known in zip(asked, answered, strict=True) for part in _rows(examples, k, known, chosen, seed)]
    if not any(example.is_hit.any() for example in rows):
        raise NotEnoughData("next baskets", "nothing that the customer had bought before", "some repeated products")
    trees = fit_ranker(rows, chosen, seed)
    generator = np.random.default_rng(seed)
    newest = examples[-1]
    tastes = _tastes(newest.histories, len(codes), chosen, seed)
    return FavouriteProductModel(
        vocabulary=vocabulary,
        knowledge=learn_products(newest.histories, len(codes), [example[:2] for example in examples]),
        following=learn_next_purchases([asked_of(example) for example in examples], len(codes)),
        tastes=tastes,
        trees=trees,
        calibration=_calibration(trees, rows, generator),
        weights=fit_affinity(answered[-AFFINITY_CUTOFFS:], tastes, generator),
        replenishment=fit_replenishment(ordered, codes, seed),
        horizon_days=ordered[-1].horizon_days,
        importance=gains(trees),
        codes=codes,
    )


def _check(snapshots: "Sequence[Snapshot]") -> None:
    baskets = sum(bool(basket) for snapshot in snapshots for basket in snapshot.next_basket)
    if baskets < FEWEST_BASKETS:
        raise NotEnoughData("next baskets", baskets, f"at least {FEWEST_BASKETS} with a product after a cutoff")


def vocabulary_of(profiles: "Profiles") -> tuple[str, ...]:
    """The products of which something can be learned: bought by three customers, by fewer where customers are few."""
    products = profiles.products
    fewest = min(3, 1 + len(profiles) // 100)
    buyers = np.bincount(products.code, minlength=len(products.vocabulary))
    return tuple(products.vocabulary[code] for code in np.flatnonzero(buyers >= fewest).tolist())


def example_of(snapshot: "Snapshot", codes: Mapping[str, int]) -> Example:
    from features.instant import MICROSECONDS_PER_DAY

    ends_at = snapshot.as_of + snapshot.horizon_days * MICROSECONDS_PER_DAY
    return Example(histories_of(snapshot.profiles, snapshot.as_of, codes), next_baskets_of(snapshot, codes), ends_at)


def answer(examples: Sequence[Example], k: int, products: int) -> Answered:
    """Example ``k`` with what could be known of products when it was asked: from the cutoff before it, as in service,
    where the newest cutoff with an answer lies a horizon back."""
    asked = examples[k]
    over = [example[:2] for example in examples[:k] if example.ends_at <= asked.histories.as_of]
    before = examples[max(k - 1, 0)].histories
    return Answered(asked.histories, asked.baskets, learn_products(before, products, over))


def _rows(
    examples: Sequence[Example], k: int, answered: Answered, parameters: Mapping[str, float | int], seed: int
) -> Iterator[RankingRows]:
    """The candidates of example ``k``, with what customers bought next from cutoffs that were over by then.

    Where none was, the customers are dealt into folds and each learns from the others: nobody's answer is part of
    their own question.
    """
    asked, products = examples[k], len(answered.knowledge.trend) - 1
    tastes = _tastes(examples[max(k - 1, 0)].histories, products, parameters, seed)
    over = [asked_of(example) for example in examples[:k] if example.ends_at <= asked.histories.as_of]
    for among, learned_from in [(asked_of(asked)[2], over)] if over else folds_of(asked, seed):
        following = learn_next_purchases(learned_from, products)
        yield ranking_rows(asked.histories, asked.baskets, known_of(answered.knowledge, following, tastes), among, seed)


def asked_of(example: Example) -> Asked:
    """All customers of an example."""
    return example.histories, example.baskets, np.arange(len(example.baskets.offsets) - 1)


def folds_of(example: Example, seed: int) -> Iterator[tuple[Integers, list[Asked]]]:
    """The customers of each fold, and the example of all others."""
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(example.baskets.offsets) - 1)
    for number in range(FOLDS):
        yield np.flatnonzero(fold == number), [(*example[:2], np.flatnonzero(fold != number))]


def _tastes(histories: PurchaseHistories, products: int, parameters: Mapping[str, float | int], seed: int) -> Tastes:
    return learn_tastes(
        histories,
        products,
        factors=int(parameters["factors"]),
        weight=parameters["taste_weight"],
        ridge=parameters["taste_ridge"],
        sweeps=int(parameters["taste_sweeps"]),
        seed=seed,
    )


def _calibration(trees: FlatTrees, rows: Sequence[RankingRows], generator: np.random.Generator) -> Platt:
    features = np.concatenate([example.rows for example in rows])
    is_hit = np.concatenate([example.is_hit for example in rows])
    chosen = generator.choice(len(features), min(MOST_CALIBRATION_ROWS, len(features)), replace=False)
    return fit_platt(trees.predict_raw(features[chosen]), is_hit[chosen].astype(np.float64))
