"""Trees as bit masks; that many rows get LightGBM's sums is among the tests of the trees."""

from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from training.models.tree_bits import (
    MOST_LEAVES,
    ROWS_AT_ONCE,
    TreeBits,
    add_trees,
    bits_of,
    in_single_precision,
    room_for_rows,
    write_columns,
)
from training.models.trees import flatten

FEATURES = 4
QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 3}


def matrix(seed: int, rows: int, missing_share: float) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, FEATURES))
    features[generator.random(features.shape) < missing_share] = np.nan
    return features


def booster(parameters: Mapping[str, Any], rows: int = 2_000) -> lightgbm.Booster:
    features = matrix(3, rows, 0.1)
    known = np.nan_to_num(features)
    target = known[:, 0] + known[:, 1] * (known[:, 2] > 0) + np.isnan(features[:, 3])
    return lightgbm.train({**QUIET, **parameters}, lightgbm.Dataset(features, target), 12)


def summed_columns(bits: TreeBits, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """With something else where there is no row."""
    room, kind = room_for_rows(len(features)), bits.threshold.dtype
    columns = np.full((FEATURES, room), 7.0, kind)
    columns[:, : len(features)] = features.T
    sums, compared = np.zeros(room), np.full((len(bits.sign), room), 7.0, kind)
    write_columns(columns, len(features), bits, compared)
    add_trees(compared, len(features), bits, 0, len(bits.leaves), np.zeros(room, dtype=np.uint32), sums)
    return sums[: len(features)]


@pytest.mark.parametrize("leaves", [2, 31, MOST_LEAVES])
@pytest.mark.parametrize("rows", [1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, 3 * ROWS_AT_ONCE + 1])
def test_rows_in_columns_get_lightgbms_sums(leaves: int, rows: int) -> None:
    model = booster({"num_leaves": leaves})
    bits = bits_of(flatten(model).forest)
    asked = matrix(rows, rows, 0.2)

    assert bits is not None
    assert summed_columns(bits, asked).tolist() == model.predict(asked, raw_score=True, num_threads=1).tolist()


def test_of_single_precision_each_value_goes_the_same_way_beside_a_threshold_too() -> None:
    model = booster({"num_leaves": 31})
    bits = bits_of(flatten(model).forest)
    assert bits is not None
    edges = np.unique(np.abs(bits.threshold[np.isfinite(bits.threshold)])).astype(np.float32)
    beside = [np.nextafter(edges, np.float32(end)) for end in (-np.inf, np.inf)]
    values = np.concatenate([sign * side for side in (edges, *beside) for sign in (1, -1)]).astype(np.float64)
    asked = np.tile(values[:, None], (1, FEATURES))

    found = summed_columns(in_single_precision(bits), asked)

    assert found.tolist() == model.predict(asked, raw_score=True, num_threads=1).tolist()


def test_tree_of_a_single_leaf_gives_its_value() -> None:
    model = booster({"min_data_in_leaf": 1000}, rows=50)
    bits = bits_of(flatten(model).forest)
    asked = matrix(1, 20, 0.0)

    assert bits is not None
    assert summed_columns(bits, asked).tolist() == model.predict(asked, raw_score=True).tolist()


def test_room_is_for_whole_instructions() -> None:
    assert [room_for_rows(rows) for rows in (0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1)] == [
        0, ROWS_AT_ONCE, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE
    ]  # fmt: skip


def test_trees_of_too_many_leaves_are_no_bits() -> None:
    trees = flatten(booster({"num_leaves": MOST_LEAVES + 1}))

    assert trees.bits is None


def test_trees_on_categories_are_no_bits() -> None:
    features = matrix(4, 300, 0.0)
    features[:, 2] = np.arange(300) % 7
    data = lightgbm.Dataset(features, np.sin(features[:, 2]), categorical_feature=[2])
    trees = flatten(lightgbm.train({**QUIET, "min_data_per_group": 3, "cat_smooth": 1}, data, 3))

    assert trees.bits is None
