"""How much each feature moved the score of one row: Shapley values of a forest (TreeSHAP, Lundberg et al. 2020).

The path-dependent form: a feature that is left out sends a row down both branches, in proportion to the rows that the
tree was grown on. Each leaf is then a game of its own, in which every feature on its path multiplies the leaf's value
by 0 or 1 when it is known and by a share when it is not; the Shapley value of such a product is read off a polynomial
(Yu et al. 2022). ``Booster.predict(pred_contrib=True)`` says the same.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from training.models.forest import ZERO_THRESHOLD
from training.models.lightgbm_text import Split, Tree, parse_trees

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_WORD_BITS = 32
_LARGEST_CATEGORY = 2.0**31


@dataclass(frozen=True, slots=True)
class Contributions:
    """``base`` is the score of a row of which nothing is known; with what each feature adds to it, it is the score."""

    base: float
    of_features: Floats

    @property
    def score(self) -> float:
        return self.base + float(self.of_features.sum())

    def times(self, weight: float) -> "Contributions":
        return Contributions(self.base * weight, self.of_features * weight)

    def plus(self, other: "Contributions") -> "Contributions":
        return Contributions(self.base + other.base, self.of_features + other.of_features)

    def shifted(self, amount: float) -> "Contributions":
        """With something that no feature has a part in."""
        return Contributions(self.base + amount, self.of_features)


@dataclass(frozen=True, slots=True)
class _Leaves:
    """All leaves of a forest; leaf i has the entries ``first_entry[i]`` until ``first_entry[i + 1]``, one for each
    feature on its path, and entry e the conditions ``first_condition[e]`` until ``first_condition[e + 1]``.
    """

    base: float
    splits: tuple[Split, ...]
    value: Floats
    first_entry: Integers
    feature: Integers
    share: Floats
    """Of the rows at the feature's splits on the path, those that stay on it."""
    first_condition: Integers
    split: Integers
    is_left: NDArray[np.bool_]


def contributions(text: str, row: Floats) -> Contributions:
    """Of the forest of that text of LightGBM's, for one row of features (f); NaN is a missing value.

    Raises
    ------
    ValueError
        If the model reads more columns than there are, or is none that :func:`parse_trees` reads.
    """
    columns, leaves = _leaves_of(text)
    if row.shape != (columns,):
        raise ValueError(f"row: got shape {row.shape}, expected ({columns},)")
    goes_left = np.array([_goes_left(split, float(row[split.feature])) for split in leaves.splits], dtype=np.bool_)
    of_features = np.zeros(columns)
    _add_leaves(
        leaves.value, leaves.first_entry, leaves.feature, leaves.share,
        leaves.first_condition, leaves.split, leaves.is_left, goes_left, of_features,
    )  # fmt: skip
    return Contributions(leaves.base, of_features)


@lru_cache(maxsize=32)
def _leaves_of(text: str) -> tuple[int, _Leaves]:
    columns, trees = parse_trees(text)
    return columns, _laid_out(trees)


def _goes_left(split: Split, value: float) -> bool:
    if split.categories is not None:
        if np.isnan(value) or not 0 <= value < _LARGEST_CATEGORY:
            return False
        word, bit = divmod(int(value), _WORD_BITS)
        return word < len(split.categories) and bool(split.categories[word] >> bit & 1)
    if np.isnan(value) or (split.zero_is_missing and abs(value) <= ZERO_THRESHOLD):
        return split.missing_goes_left
    return value <= split.threshold


@dataclass(slots=True)
class _Entry:
    """What a path asks of one feature."""

    share: float
    conditions: tuple[tuple[int, bool], ...]


_Path = dict[int, _Entry]


def _laid_out(trees: list[Tree]) -> _Leaves:
    splits: list[Split] = []
    leaves: list[tuple[float, _Path]] = []
    base = 0.0
    for tree in trees:
        base += _expected(tree)
        if tree.splits:
            leaves += _paths(tree, len(splits))
        splits += tree.splits
    entries = [(feature, entry) for _, path in leaves for feature, entry in path.items()]
    conditions = [condition for _, entry in entries for condition in entry.conditions]
    return _Leaves(
        base=base,
        splits=tuple(splits),
        value=np.array([value for value, _ in leaves], dtype=np.float64),
        first_entry=_starts([len(path) for _, path in leaves]),
        feature=np.array([feature for feature, _ in entries], dtype=np.int64),
        share=np.array([entry.share for _, entry in entries], dtype=np.float64),
        first_condition=_starts([len(entry.conditions) for _, entry in entries]),
        split=np.array([split for split, _ in conditions], dtype=np.int64),
        is_left=np.array([is_left for _, is_left in conditions], dtype=np.bool_),
    )


def _starts(counts: list[int]) -> Integers:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def _expected(tree: Tree) -> float:
    """The mean of the leaves over the rows that the tree was grown on."""
    if not tree.splits:
        return float(tree.leaf_values[0])
    return float(tree.leaf_counts @ tree.leaf_values / tree.leaf_counts.sum())


def _paths(tree: Tree, first_split: int) -> list[tuple[float, _Path]]:
    """Every leaf's value and path; splits are numbered from ``first_split`` on."""

    def count(node: int) -> float:
        return float(tree.leaf_counts[~node] if node < 0 else tree.split_counts[node])

    found: list[tuple[float, _Path]] = []
    pending: list[tuple[int, _Path]] = [(0, {})]
    while pending:
        node, path = pending.pop()
        if node < 0:
            found.append((float(tree.leaf_values[~node]), path))
            continue
        split = tree.splits[node]
        before = path.get(split.feature, _Entry(1.0, ()))
        for child, is_left in ((split.left, True), (split.right, False)):
            share = before.share * count(child) / count(node)
            entry = _Entry(share, (*before.conditions, (first_split + node, is_left)))
            pending.append((child, {**path, split.feature: entry}))
    return found


@compiled
def _add_leaves(
    value: Floats,
    first_entry: Integers,
    feature: Integers,
    share: Floats,
    first_condition: Integers,
    split: Integers,
    is_left: NDArray[np.bool_],
    goes_left: NDArray[np.bool_],
    of_features: Floats,
) -> None:
    """A leaf gives a feature its value * (known - share) * the mean product of the others.

    The mean is over how many of them are known, and for each number over which.
    """
    known = np.ones(share.size)
    for entry in range(share.size):
        for condition in range(first_condition[entry], first_condition[entry + 1]):
            if goes_left[split[condition]] != is_left[condition]:
                known[entry] = 0.0
    for leaf in range(value.size):
        start, end = first_entry[leaf], first_entry[leaf + 1]
        count = end - start
        for player in range(start, end):
            products = np.zeros(count)  # by how many of the others are known, summed over which
            products[0] = 1.0
            degree = 0
            for other in range(start, end):
                if other == player:
                    continue
                degree += 1
                for power in range(degree, 0, -1):
                    products[power] = products[power] * share[other] + products[power - 1] * known[other]
                products[0] *= share[other]
            mean, ways = 0.0, 1.0
            for power in range(count):
                mean += products[power] / ways
                ways = ways * (count - 1 - power) / (power + 1)
            of_features[feature[player]] += value[leaf] * (known[player] - share[player]) * mean / count
