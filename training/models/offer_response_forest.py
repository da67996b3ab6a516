"""A level for each offer, and trees for what differs between customers: how a score of the two is predicted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.models.offer_response_levels import Floats, Integers, OfferLevels
from training.models.trees import FlatTrees

UNKNOWN = -1
"""The code of an offer that taught nothing."""
MOST_ROWS_AT_ONCE = 100_000


OWN = "_own"
"""What the names of the files of trees that know offers by name end with."""


@dataclass(frozen=True, slots=True)
class OfferForest:
    """The score is ``start_weight`` × the offer's level + ``tree_weight`` × the trees + ``intercept``, and of an offer
    that is known by name ``own_weight`` × ``own_trees``."""

    levels: OfferLevels
    trees: FlatTrees
    start_weight: float = 1.0
    tree_weight: float = 1.0
    intercept: float = 0.0
    own_trees: FlatTrees | None = None
    own_weight: float = 0.0

    def score(self, customers: Floats, codes: Integers, terms: Floats) -> Floats:
        """(k, m), of every customer (k, f) with every offer (m; their terms m, t)."""
        each = max(MOST_ROWS_AT_ONCE // max(len(codes), 1), 1)
        parts = [self._part(customers[first : first + each], codes, terms) for first in range(0, len(customers), each)]
        return np.concatenate(parts) if parts else np.zeros((0, len(codes)))

    def paired(self, customers: Floats, codes: Integers, terms: Floats) -> Floats:
        """(n), of each customer (n, f) with the offer of the same row (n; n, t)."""
        return self._score(inputs(customers, codes, terms), codes, self.levels.of(codes, terms))

    def _part(self, customers: Floats, codes: Integers, terms: Floats) -> Floats:
        count = len(codes)
        rows = np.empty((len(customers), count, customers.shape[1] + terms.shape[1] + 1))
        rows[:, :, : customers.shape[1]] = customers[:, None, :]
        rows[:, :, customers.shape[1] : -1] = terms
        rows[:, :, -1] = as_category(codes)
        level = np.tile(self.levels.of(codes, terms), len(customers))
        rows = rows.reshape(len(customers) * count, -1)
        return self._score(rows, np.tile(codes, len(customers)), level).reshape(len(customers), count)

    def _score(self, rows: Floats, codes: Integers, level: Floats) -> Floats:
        score = self.start_weight * level + self.tree_weight * self.trees.predict_raw(rows) + self.intercept
        if self.own_trees is not None and self.own_weight > 0:
            known = codes != UNKNOWN
            score[known] += self.own_weight * self.own_trees.predict_raw(rows[known])
        return score

    def save(self, folder: Path, name: str) -> dict[str, float]:
        """Write the trees and the levels; what is to be kept in the manifest."""
        self.trees.save(folder, name)
        if self.own_trees is not None:
            self.own_trees.save(folder, name + OWN)
        self.levels.save(folder, name)
        weights = ("start_weight", "tree_weight", "intercept", "own_weight")
        return {weight: getattr(self, weight) for weight in weights}

    @classmethod
    def load(cls, folder: Path, name: str, words: dict[str, float]) -> "OfferForest":
        """Also of versions that had no trees for offers known by name: then there is no ``own_weight``."""
        own = FlatTrees.load(folder, name + OWN) if words.get("own_weight", 0.0) > 0 else None
        return cls(OfferLevels.load(folder, name), FlatTrees.load(folder, name), own_trees=own, **words)


def inputs(customers: Floats, codes: Integers, terms: Floats) -> Floats:
    """(n, f + t + 1): what the trees see of customers (n, f) with the offers of the same rows (n; n, t)."""
    return np.column_stack([customers, terms, as_category(codes)])


def as_category(codes: Integers) -> NDArray[np.float64]:
    return np.where(codes == UNKNOWN, np.nan, codes.astype(np.float64))
