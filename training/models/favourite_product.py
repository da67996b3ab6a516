"""The products most likely in a customer's next order, repeats included; the chance that it holds an offer's target."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from features.id_table import IdTable
from features.instant import Instant
from features.product_lists import ProductLists
from features.product_targets import ProductTargets
from features.profile_tables import offsets_of
from features.profiles import Profiles
from training.errors import TrainingError
from training.evaluation import Evaluation
from training.models.affinity import AffinityWeights, Flags, TargetFacts, facts_of_targets, fill_chances
from training.models.calibration import Platt
from training.models.candidates import MOST_CANDIDATES
from training.models.collaborative_filtering import Tastes
from training.models.known_products import Known, known_of
from training.models.manifest import read_manifest, write_manifest
from training.models.next_purchases import NextPurchases
from training.models.product_knowledge import ProductKnowledge
from training.models.purchase_histories import Codes, Floats, Integers, PurchaseHistories, histories_of
from training.models.ranking import fill_best
from training.models.replenishment import Replenishment
from training.models.tree_bits import MOST_LEAVES, TreeBits, in_single_precision
from training.models.trees import FlatTrees
from training.search_space import Range

if TYPE_CHECKING:
    from features.history import Snapshot

RankedProducts = tuple[list[str], list[float]]
"""Product ids, best first, and their scores."""
DueProducts = list[tuple[str, Instant]]
"""(product_id, when it runs out), soonest first."""

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
    known: Known = field(init=False, repr=False)
    bits: TreeBits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        bits = self.trees.bits
        if bits is None:
            raise TrainingError(f"{TREES}: got trees of too many leaves, expected at most {MOST_LEAVES}: train again")
        object.__setattr__(self, "bits", in_single_precision(bits))
        object.__setattr__(self, "known", known_of(self.knowledge, self.following, self.tastes))

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
        return self.ranked_lists(profiles, as_of, limit).columns()

    def rank_new(self, profiles: Profiles, as_of: Instant, limit: int) -> list[RankedProducts]:
        """As :meth:`rank`, of products alone that the customer has never bought; at most ``MOST_EXPLORED``."""
        return self._ranked(profiles, as_of, limit, is_new_only=True).columns()

    def ranked_lists(self, profiles: Profiles, as_of: Instant, limit: int) -> ProductLists:
        """What :meth:`rank` gives, for very many customers."""
        return self._ranked(profiles, as_of, limit, is_new_only=False)

    def due(self, profiles: Profiles, as_of: Instant, limit: int = 10) -> list[DueProducts]:
        """What each customer buys again and again, and when it runs out, soonest first."""
        return self.due_lists(profiles, as_of, limit).pairs()

    def due_lists(self, profiles: Profiles, as_of: Instant, limit: int) -> ProductLists:
        """What :meth:`due` gives, for very many customers."""
        histories = histories_of(profiles, as_of, self.codes)
        offsets, entry, due_at = self.replenishment.due(profiles, histories, self.knowledge.gap_days, limit)
        codes, vocabulary = self._named(entry, histories.code[entry], histories, profiles.products.vocabulary)
        return ProductLists(offsets, codes, due_at, vocabulary)

    def _ranked(self, profiles: Profiles, as_of: Instant, limit: int, *, is_new_only: bool) -> ProductLists:
        histories = histories_of(profiles, as_of, self.codes)
        buyers = np.flatnonzero(np.diff(histories.product_offsets))
        shape = (len(buyers), min(limit, MOST_CANDIDATES))
        counts, entry = np.empty(len(buyers), dtype=np.int64), np.empty(shape, dtype=np.int64)
        code, raw = np.empty(shape, dtype=np.int32), np.empty(shape)
        fill_best(buyers, histories, self.known, self.bits, is_new_only, counts, entry, code, raw)
        listed = np.arange(shape[1]) < counts[:, None]
        codes, vocabulary = self._named(entry[listed], code[listed], histories, profiles.products.vocabulary)
        scores = self.calibration.probability(raw[listed])
        return self._with_strangers(buyers, counts, codes, scores, vocabulary, len(profiles), limit)

    def _named(
        self, entry: Integers, code: Codes, histories: PurchaseHistories, bought: Sequence[str]
    ) -> tuple[Codes, Sequence[str]]:
        """Codes into a vocabulary that also has what customers bought and the model does not know."""
        unknown = np.flatnonzero(code < 0)
        if not unknown.size:
            return code, self.vocabulary
        others, place = np.unique(histories.product[entry[unknown]], return_inverse=True)
        code[unknown] = len(self.vocabulary) + place
        return code, (*self.vocabulary, *(bought[product] for product in others.tolist()))

    def _with_strangers(
        self,
        buyers: Integers,
        counts: Integers,
        codes: Codes,
        scores: Floats,
        vocabulary: Sequence[str],
        customers: int,
        limit: int,
    ) -> ProductLists:
        """Lists of everybody: those who have bought nothing get what everyone buys."""
        popular, chances = self._popular(limit)
        lengths = np.full(customers, len(popular), dtype=np.int64)
        lengths[buyers] = counts
        offsets = offsets_of(lengths)
        is_buyer = np.zeros(customers, dtype=np.bool_)
        is_buyer[buyers] = True
        of_buyers = np.repeat(is_buyer, lengths)
        strangers = customers - len(buyers)
        all_codes, all_scores = np.empty(offsets[-1], dtype=np.int32), np.empty(offsets[-1])
        all_codes[of_buyers], all_codes[~of_buyers] = codes, np.tile(popular, strangers)
        all_scores[of_buyers], all_scores[~of_buyers] = scores, np.tile(chances, strangers)
        return ProductLists(offsets, all_codes, all_scores, vocabulary)

    def _popular(self, limit: int) -> tuple[Codes, Floats]:
        """For those who have bought nothing: what everyone buys, of as many products as a first order is expected to
        hold."""
        popularity = np.exp(self.knowledge.popularity[:-1])
        codes = self.knowledge.popular[:limit]
        expected = np.exp(self.weights.new[0]) * popularity[codes] / popularity.sum()
        return codes, 1.0 - np.exp(-expected)

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
