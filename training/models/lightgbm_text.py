"""Reads the text in which LightGBM keeps a model; knows nothing of how trees are walked."""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_CATEGORICAL, _DEFAULT_LEFT, _MISSING_SHIFT = 1, 2, 2
_MISSING_NONE, _MISSING_ZERO = 0, 1
"""Bits of ``decision_type`` (LightGBM's ``tree.h``)."""


@dataclass(frozen=True, slots=True)
class Split:
    """An inner node; ``left`` and ``right`` name an inner node, or leaf ``i`` as ``~i``.

    ``categories`` are the words of a bitset: what is in it goes left, anything else and missing values right.
    It is None where the split is numerical: left if value <= threshold.
    ``zero_is_missing`` says that 0 goes the way of a missing value.
    """

    feature: int
    threshold: float
    left: int
    right: int
    missing_goes_left: bool
    zero_is_missing: bool
    categories: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Tree:
    """Without splits there is one leaf; else split 0 is the root.

    The counts are those of the rows that the tree was grown on, by split and by leaf.
    """

    splits: list[Split]
    leaf_values: NDArray[np.float64]
    split_counts: NDArray[np.float64]
    leaf_counts: NDArray[np.float64]


def parse_trees(text: str) -> tuple[int, list[Tree]]:
    """The number of columns that the model reads, and its trees in the order in which they are summed.

    Raises
    ------
    ValueError
        If the model has several outputs, averages its trees or has linear models in its leaves.
    """
    header, *bodies = re.split(r"^Tree=\d+\n", text.partition("end of trees")[0], flags=re.MULTILINE)
    settings = _fields(header)
    if settings.get("num_tree_per_iteration") != "1":
        raise ValueError(f"num_tree_per_iteration: got {settings.get('num_tree_per_iteration')!r}, expected '1'")
    if "average_output" in settings:
        raise ValueError("average_output: got a random forest, expected boosted trees")
    return int(settings["max_feature_idx"]) + 1, [_tree(_fields(body)) for body in bodies]


def _fields(body: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in body.splitlines() if line)
    return {name: value for name, _, value in pairs}


def _tree(fields: dict[str, str]) -> Tree:
    if fields.get("is_linear", "0") != "0":
        raise ValueError(f"is_linear: got {fields['is_linear']!r}, expected '0'")
    columns = zip(
        _integers(fields["split_feature"]),
        map(float, fields["threshold"].split()),
        _integers(fields["decision_type"]),
        _integers(fields["left_child"]),
        _integers(fields["right_child"]),
        strict=True,
    )
    sets = _category_sets(fields)
    return Tree(
        [_split(*column, sets) for column in columns],
        leaf_values=_floats(fields["leaf_value"]),
        split_counts=_floats(fields.get("internal_count", "")),
        leaf_counts=_floats(fields.get("leaf_count", "")),
    )


def _split(feature: int, threshold: float, decision: int, left: int, right: int, sets: list[tuple[int, ...]]) -> Split:
    missing = decision >> _MISSING_SHIFT & 3
    return Split(
        feature=feature,
        threshold=threshold,
        left=left,
        right=right,
        # Where training saw nothing missing, a missing value is read as 0.
        missing_goes_left=threshold >= 0 if missing == _MISSING_NONE else bool(decision & _DEFAULT_LEFT),
        zero_is_missing=missing == _MISSING_ZERO,
        categories=sets[int(threshold)] if decision & _CATEGORICAL else None,
    )


def _category_sets(fields: dict[str, str]) -> list[tuple[int, ...]]:
    if fields["num_cat"] == "0":
        return []
    starts, words = _integers(fields["cat_boundaries"]), _integers(fields["cat_threshold"])
    return [tuple(words[start:stop]) for start, stop in pairwise(starts)]


def _floats(text: str) -> NDArray[np.float64]:
    return np.array(text.split(), np.float64)


def _integers(text: str) -> list[int]:
    return [int(word) for word in text.split()]
