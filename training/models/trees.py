"""LightGBM's trees as flat arrays, walked by compiled code: ``Booster.predict(raw_score=True)`` to the bit, but sooner.

Every row is first written out as the columns that the splits compare: a value, its negative, its membership of a set
of categories. Missing values, default directions and categories are settled there, so that a step of the walk is one
comparison and one addition without a branch to mispredict.
"""

from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from training.models.forest import (
    CONSTANT,
    NEGATIVE,
    NEGATIVE_OR_MISSING,
    NOT_MEMBER,
    VALUE,
    VALUE_OR_MISSING,
    ZERO_THRESHOLD,
    Forest,
)
from training.models.lightgbm_text import Split, Tree, parse_trees
from training.models.tree_bits import TreeBits, bits_of, sum_rows

LANES = 8
"""Rows, or of a single row trees, that are walked in turn: while one waits for memory the others move."""

MANY_ROWS = 64
"""From here on trees as bits are quicker: of 512 rows four times with 8 leaves to a tree, twice with 31."""

LARGEST_CATEGORY = 2.0**31
"""LightGBM casts a category to a 32-bit integer; from here on it falls outside and belongs to no set."""


class Booster(Protocol):
    """What is needed of a ``lightgbm.Booster``."""

    def model_to_string(self) -> str: ...


@dataclass(frozen=True, slots=True)
class FlatTrees:
    """A forest, the number of columns of a matrix to predict for, and the same trees as LightGBM's own ``text``."""

    forest: Forest
    feature_count: int
    text: str
    bits: TreeBits | None = field(init=False, repr=False)
    """For many rows; nothing where such trees cannot be bits."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", bits_of(self.forest))

    def predict_raw(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of the trees for each row; NaN is a missing value.

        Raises
        ------
        ValueError
            If there are not ``feature_count`` columns.
        """
        if features.ndim != 2 or features.shape[1] != self.feature_count:
            raise ValueError(f"features: got shape {features.shape}, expected (rows, {self.feature_count})")
        rows, sums = np.ascontiguousarray(features, dtype=np.float64), np.zeros(len(features))
        if self.bits is not None and len(rows) >= MANY_ROWS:
            sum_rows(rows, self.bits, sums)
        else:
            _walk(rows, self.forest, sums)
        return sums

    def save(self, folder: Path, name: str) -> None:
        """Write ``name.txt``, which LightGBM itself can open, and ``name.npz``, which is the quicker to load."""
        (folder / f"{name}.txt").write_text(self.text, encoding="utf-8")
        arrays = {**self.forest._asdict(), "feature_count": np.array(self.feature_count)}
        np.savez(folder / f"{name}.npz", allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path, name: str) -> "FlatTrees":
        text = (folder / f"{name}.txt").read_text(encoding="utf-8")
        with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
            forest = Forest(*(arrays[part] for part in Forest._fields))
            return cls(forest, int(arrays["feature_count"]), text)


def flatten(booster: Booster) -> FlatTrees:
    """The trees that ``booster.predict`` sums: up to the best iteration where training stopped early."""
    text = booster.model_to_string()
    feature_count, trees = parse_trees(text)
    flattening = _Flattening()
    for tree in trees:
        flattening.add(tree)
    return FlatTrees(flattening.forest(), feature_count, text)


class _Flattening:
    """Nodes and columns while they are laid out; equal columns and equal sets of categories are kept once."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.depths: list[int] = []
        self.nodes: list[tuple[int, float, int, float]] = []
        self.columns: dict[tuple[int, int, int], int] = {(CONSTANT, 0, 0): 0}
        self.sets: dict[tuple[int, ...], int] = {}

    def forest(self) -> Forest:
        column, threshold, child, value = zip(*self.nodes, strict=True) if self.nodes else ((),) * 4
        column_form, column_feature, column_set = zip(*self.columns, strict=True)
        return Forest(
            roots=np.array(self.roots, np.uint32),
            depths=np.array(self.depths, np.uint32),
            column=np.array(column, np.uint32),
            threshold=np.array(threshold, np.float64),
            child=np.array(child, np.uint32),
            value=np.array(value, np.float64),
            column_form=np.array(column_form, np.uint8),
            column_feature=np.array(column_feature, np.uint32),
            column_set=np.array(column_set, np.uint32),
            set_starts=np.array([0, *accumulate(map(len, self.sets))], np.uint32),
            set_words=np.array([word for words in self.sets for word in words], np.uint32),
        )

    def add(self, tree: Tree) -> None:
        """Lay the nodes out level by level, so that two children are neighbours."""
        self.roots.append(len(self.nodes))
        level, depth = [0 if tree.splits else ~0], 0
        while True:
            below: list[int] = []
            start_below = len(self.nodes) + len(level)
            for node in level:
                if node < 0:
                    self.nodes.append((0, np.inf, len(self.nodes), float(tree.leaf_values[~node])))
                    continue
                column, threshold, children = self._comparison(tree.splits[node])
                self.nodes.append((column, threshold, start_below + len(below), 0.0))
                below.extend(children)
            if not below:
                break
            level, depth = below, depth + 1
        self.depths.append(depth)

    def _comparison(self, split: Split) -> tuple[int, float, tuple[int, int]]:
        """What is compared with what, and where yes and no lead."""
        if split.categories is not None:
            column = self._column(NOT_MEMBER, split.feature, self.sets.setdefault(split.categories, len(self.sets)))
            return column, 0.0, (split.left, split.right)
        if split.missing_goes_left:
            column = self._column(NEGATIVE_OR_MISSING if split.zero_is_missing else NEGATIVE, split.feature)
            # x > t is -x <= -(the next number above t), to the bit.
            return column, -float(np.nextafter(split.threshold, np.inf)), (split.right, split.left)
        column = self._column(VALUE_OR_MISSING if split.zero_is_missing else VALUE, split.feature)
        return column, split.threshold, (split.left, split.right)

    def _column(self, form: int, feature: int, category_set: int = 0) -> int:
        return self.columns.setdefault((form, feature, category_set), len(self.columns))


@compiled
def _is_member(value: float, forest: Forest, category_set: int) -> bool:
    if not -1.0 < value < LARGEST_CATEGORY:  # NaN as well
        return False
    category = np.int64(value)
    word = forest.set_starts[category_set] + np.uint32(category >> 5)
    if word >= forest.set_starts[category_set + 1]:
        return False
    return bool(forest.set_words[word] >> np.uint32(category & 31) & 1)


@compiled
def write_columns(row: NDArray[np.float64], forest: Forest, into: NDArray[np.float64]) -> None:
    """Writes what the splits compare, from the features of a row; the first column stays what it is and must be 0."""
    for column in range(1, len(into)):
        form, value = forest.column_form[column], row[forest.column_feature[column]]
        if form == NOT_MEMBER:
            into[column] = 0.0 if _is_member(value, forest, forest.column_set[column]) else 1.0
            continue
        if abs(value) <= ZERO_THRESHOLD:
            value = np.nan if form in (VALUE_OR_MISSING, NEGATIVE_OR_MISSING) else 0.0
        into[column] = -value if form in (NEGATIVE, NEGATIVE_OR_MISSING) else value


@compiled
def walk_lanes(
    compared: NDArray[np.float64],
    forest: Forest,
    first: int,
    last: int,
    at: NDArray[np.uint32],
    sums: NDArray[np.float64],
) -> None:
    """Add the trees from ``first`` to before ``last`` to the sums of LANES rows; ``at`` (LANES) is room to work in."""
    for tree in range(first, last):
        at[:] = forest.roots[tree]
        for _ in range(forest.depths[tree]):
            for lane in range(LANES):
                node = at[lane]
                goes_on = not compared[lane, forest.column[node]] <= forest.threshold[node]
                at[lane] = forest.child[node] + np.uint32(goes_on)
        for lane in range(LANES):
            sums[lane] += forest.value[at[lane]]


@compiled
def _walk_row(compared: NDArray[np.float64], forest: Forest, at: NDArray[np.uint32]) -> float:
    total = 0.0
    for first in range(0, len(forest.roots), LANES):
        lanes = min(LANES, len(forest.roots) - first)
        at[:lanes] = forest.roots[first : first + lanes]
        for _ in range(forest.depths[first : first + lanes].max()):
            for lane in range(lanes):
                node = at[lane]
                goes_on = not compared[forest.column[node]] <= forest.threshold[node]
                at[lane] = forest.child[node] + np.uint32(goes_on)
        for lane in range(lanes):
            total += forest.value[at[lane]]
    return total


@compiled
def _walk(features: NDArray[np.float64], forest: Forest, sums: NDArray[np.float64]) -> None:
    """Add the sum of the trees for each row to ``sums``."""
    compared = np.zeros((LANES, len(forest.column_form)))
    at = np.zeros(LANES, np.uint32)
    in_lanes = len(features) // LANES * LANES
    for first in range(0, in_lanes, LANES):
        for lane in range(LANES):
            write_columns(features[first + lane], forest, compared[lane])
        walk_lanes(compared, forest, 0, len(forest.roots), at, sums[first : first + LANES])
    for row in range(in_lanes, len(features)):
        write_columns(features[row], forest, compared[0])
        sums[row] = _walk_row(compared[0], forest, at)
