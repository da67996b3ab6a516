"""The products most likely in a customer's next order, repeats included; the chance that it holds an offer's target."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from features.id_table import IdTable
from features.instant import Instant
from features.product_targets import ProductTargets
from features.profiles import Profiles
from training.errors import TrainingError
from training.evaluation import Evaluation
from training.models.affinity import AffinityWeights, Flags, TargetFacts, facts_of_targets, fill_chances
from training.models.calibration import Platt
from training.models.candidates import Candidates, Known, candidates_of
from training.models.collaborative_filtering import Tastes
from training.models.manifest import read_manifest, write_manifest
from training.models.next_purchases import NextPurchases
from training.models.product_knowledge import ProductKnowledge
from training.models.purchase_histories import Floats, PurchaseHistories, histories_of
from training.models.replenishment import DueProducts, Replenishment
from training.models.trees import FlatTrees
from training.search_space import Range

if TYPE_CHECKING:
    from features.history import Snapshot

RankedProducts = tuple[list[str], list[float]]
"""Product ids, best first, and their scores."""

CUSTOMERS_AT_A_TIME = 512
ARRAYS_FILE = "favourite_product.npz"
VOCABULARY_FILE = "vocabulary.json"
TREES = "ranker"
MEASURED_PRODUCTS = 10

SEARCH_SPACE = {
    "trees": Range(30, 120, is_log=True),
    "leaves": Range(7, 31, is_log=True),
    "learning_rate": Range(0.05, 0.2, is_log=True),
    "least_rows_in_leaf": Range(50, 2_000, is_log=True),
    "taste_weight": Range(0.5, 40.0, is_log=True),
    "taste_ridge": Range(0.01, 10.0, is_log=True),
}


@dataclass(frozen=True, slots=True)
class FavouriteProductModel:
    """``vocabulary`` gives the ids of product codes, ``codes`` is the other way round; ``calibration`` turns the sum of
    the trees into a chance.
    """

    name: ClassVar[str] = "favourite-product"

    vocabulary: tuple[str, ...]
    knowledge: ProductKnowledge
    following: NextPurchases
    tastes: Tastes
    trees: FlatTrees
    calibration: Platt
    weights: AffinityWeights
    replenishment: Replenishment
    horizon_days: int
    importance: dict[str, float]
    codes: Mapping[str, int] = field(repr=False)

    @classmethod
    def fit(
        cls, snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int
    ) -> "FavouriteProductModel":
        """
        Raises
        ------
        NotEnoughData
            If fewer than ``FEWEST_BASKETS`` orders followed the cutoffs, or none repeated anything.
        """
        from training.models.favourite_product_training import fit

        return fit(snapshots, parameters, seed)

    def rank(self, profiles: Profiles, as_of: Instant, limit: int) -> list[RankedProducts]:
        """One list a customer, at most ``limit`` long; the score is the chance to be in the next order, roughly."""
        return self._ranked(profiles, as_of, limit, is_new_only=False)

    def rank_new(self, profiles: Profiles, as_of: Instant, limit: int) -> list[RankedProducts]:
        """As :meth:`rank`, of products alone that the customer has never bought; at most ``MOST_EXPLORED``."""
        return self._ranked(profiles, as_of, limit, is_new_only=True)

    def due(self, profiles: Profiles, as_of: Instant, limit: int = 10) -> list[DueProducts]:
        """What each customer buys again and again, and when it runs out, soonest first."""
        histories = histories_of(profiles, as_of, self.codes)
        return self.replenishment.due(profiles, histories, self.knowledge.gap_days, limit)

    def _ranked(self, profiles: Profiles, as_of: Instant, limit: int, *, is_new_only: bool) -> list[RankedProducts]:
        histories = histories_of(profiles, as_of, self.codes)
        buyers = np.flatnonzero(np.diff(histories.product_offsets))
        ranked = [self._popular(limit) if len(buyers) < len(profiles) else ([], [])] * len(profiles)
        for start in range(0, len(buyers), CUSTOMERS_AT_A_TIME):
            chosen = buyers[start : start + CUSTOMERS_AT_A_TIME]
            found = candidates_of(chosen, histories, Known(self.knowledge, self.following, self.tastes))
            lists = self._lists(found.explored() if is_new_only else found, histories, profiles, limit)
            for i, ranking in zip(chosen.tolist(), lists, strict=True):
                ranked[i] = ranking
        return ranked

    def _popular(self, limit: int) -> RankedProducts:
        """For those who have bought nothing: what everyone buys, of as many products as a first order is expected to
        hold."""
        popularity = np.exp(self.knowledge.popularity[:-1])
        codes = self.knowledge.popular[:limit]
        expected = np.exp(self.weights.new[0]) * popularity[codes] / popularity.sum()
        return [self.vocabulary[code] for code in codes.tolist()], (1.0 - np.exp(-expected)).tolist()

    def _lists(
        self, found: Candidates, histories: PurchaseHistories, profiles: Profiles, limit: int
    ) -> list[RankedProducts]:
        bought = profiles.products.vocabulary
        raw = self.trees.predict_raw(found.rows)
        scores = self.calibration.probability(raw)
        ranked, start = [], 0
        for count in found.counts.tolist():
            best = start + np.argsort(-raw[start : start + count], kind="stable")[:limit]
            start += count
            ids = [
                bought[histories.product[entry]] if entry >= 0 else self.vocabulary[code]
                for entry, code in zip(found.entry[best].tolist(), found.code[best].tolist(), strict=True)
            ]
            ranked.append((ids, scores[best].tolist()))
        return ranked

    def facts_of(self, targets: ProductTargets) -> TargetFacts:
        """The targets made ready for :meth:`affinities`."""
        return facts_of_targets(targets, self.codes, self.knowledge, self.weights)

    def affinities(
        self, profiles: Profiles, as_of: Instant, targets: ProductTargets, facts: TargetFacts, is_asked: Flags
    ) -> Floats:
        """(customers, targets): the chance that the next order holds something of the target.

        1 where that is everything, 0 where it is not asked for.
        """
        orders, products = profiles.orders, profiles.products
        result = np.empty((len(profiles), len(targets)))
        fill_chances(
            as_of, orders.offsets, orders.first_at, orders.lines,
            products.offsets, products.numbers_in(targets.row_of_product), products.lines, products.last_at,
            products.decayed, targets.offsets, targets.target, facts.products, facts.trial, facts.coefficients,
            is_asked, result,
        )  # fmt: skip
        result[:, targets.is_everything & is_asked] = 1.0
        return result

    def save(self, folder: Path) -> None:
        arrays = {f"{part}.{name}": value for part in PARTS for name, value in getattr(self, part)._asdict().items()}
        np.savez(folder / ARRAYS_FILE, allow_pickle=False, **arrays)
        (folder / VOCABULARY_FILE).write_text(json.dumps(self.vocabulary), encoding="utf-8")
        self.trees.save(folder, TREES)
        self.replenishment.save(folder)
        words = {
            "horizon_days": self.horizon_days,
            "calibration": self.calibration._asdict(),
            "products": len(self.vocabulary),
            "importance": self.importance,
        }
        write_manifest(folder, self.name, words)

    @classmethod
    def load(cls, folder: Path) -> "FavouriteProductModel":
        """
        Raises
        ------
        TrainingError
            If the folder holds another model or one that a version without some of its parts has saved.
        """
        words = read_manifest(folder, cls.name)
        vocabulary = tuple(json.loads((folder / VOCABULARY_FILE).read_text(encoding="utf-8")))
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
            missing = {f"{part}.{name}" for part, kind in PARTS.items() for name in kind._fields}.difference(arrays)
            if missing:
                raise TrainingError(f"{folder / ARRAYS_FILE}: without {min(missing)}, of an older version: train again")
            knowledge, following, tastes, weights = (
                kind(**{name: arrays[f"{part}.{name}"] for name in kind._fields}) for part, kind in PARTS.items()
            )
        return cls(
            vocabulary=vocabulary,
            knowledge=knowledge,
            following=following,
            tastes=tastes._replace(weight=float(tastes.weight)),
            trees=FlatTrees.load(folder, TREES),
            calibration=Platt(**words["calibration"]),
            weights=weights,
            replenishment=Replenishment.load(folder),
            horizon_days=words["horizon_days"],
            importance=words["importance"],
            codes=IdTable({product_id: code for code, product_id in enumerate(vocabulary)}),
        )


PARTS: dict[str, Any] = {
    "knowledge": ProductKnowledge,
    "following": NextPurchases,
    "tastes": Tastes,
    "weights": AffinityWeights,
}


def evaluate(model: FavouriteProductModel, snapshot: "Snapshot") -> Evaluation:
    """How well the model finds the next baskets after a cutoff it was not trained on, beside its baselines."""
    from training.models.favourite_product_evaluation import evaluate_ranking

    return evaluate_ranking(model.rank(snapshot.profiles, snapshot.as_of, MEASURED_PRODUCTS), snapshot)
