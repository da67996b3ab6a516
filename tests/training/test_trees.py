"""The walk of flat trees against LightGBM, which is the oracle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.models.forest import ZERO_THRESHOLD
from training.models.trees import LANES, MANY_ROWS, FlatTrees, flatten

QUIET = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3, "min_data_in_bin": 1, "deterministic": True}
AWKWARD = [np.nan, np.inf, -np.inf, 0.0, -0.0, ZERO_THRESHOLD, -ZERO_THRESHOLD, 1e-300, -0.5, 31.0, 32.0, 33.9, 2.0**31]


def matrix(seed: int, rows: int, missing_share: float) -> NDArray[np.float64]:
    """Two columns of numbers, one of small whole numbers, two of categories."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(rows, 2))
    counts = generator.poisson(0.7, size=(rows, 1))
    categories = generator.integers(0, 70, size=(rows, 2))
    features = np.hstack([numbers, counts, categories]).astype(np.float64)
    features[generator.random(features.shape) < missing_share] = np.nan
    return features


def booster(features: NDArray[np.float64], parameters: Mapping[str, Any], rounds: int = 12) -> lightgbm.Booster:
    known = np.nan_to_num(features)
    target = known[:, 0] + known[:, 1] * (known[:, 2] > 0) + np.sin(known[:, 3] * 7) + np.cos(known[:, 4] * 5)
    data = lightgbm.Dataset(features, target, categorical_feature=[3, 4])
    return lightgbm.train({**QUIET, "min_data_per_group": 3, "cat_smooth": 1, **parameters}, data, rounds)


def assert_same_bits(model: lightgbm.Booster, features: NDArray[np.float64]) -> None:
    expected = model.predict(features, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(flatten(model).predict_raw(features), expected)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    missing_share=st.sampled_from([0.0, 0.2]),
    leaves=st.sampled_from([2, 3, 31]),
    zero_as_missing=st.booleans(),
    use_missing=st.booleans(),
    max_cat_to_onehot=st.sampled_from([1, 100]),
    rows=st.one_of(st.integers(0, 3 * LANES), st.integers(MANY_ROWS, 20 * MANY_ROWS)),
)
def test_walk_equals_lightgbm_to_the_bit(
    seed: int,
    missing_share: float,
    leaves: int,
    zero_as_missing: bool,
    use_missing: bool,
    max_cat_to_onehot: int,
    rows: int,
) -> None:
    parameters = {
        "num_leaves": leaves,
        "zero_as_missing": zero_as_missing,
        "use_missing": use_missing,
        "max_cat_to_onehot": max_cat_to_onehot,
    }
    model = booster(matrix(seed, 300, missing_share), parameters)
    asked = matrix(seed + 1, max(rows, 1), 0.2)
    generator = np.random.default_rng(seed)
    awkward = generator.choice(AWKWARD, size=asked.shape)

    assert_same_bits(model, np.where(generator.random(asked.shape) < 0.3, awkward, asked))


def test_values_beside_a_threshold_go_lightgbms_way() -> None:
    features = matrix(seed=3, rows=300, missing_share=0.1)
    model = booster(features, {"num_leaves": 15})
    thresholds = flatten(model).forest.threshold
    edges = np.unique(np.abs(thresholds[np.isfinite(thresholds)]))
    beside = np.concatenate([sign * np.nextafter(edges, edges + step) for sign in (1, -1) for step in (-1, 0, 1)])

    assert_same_bits(model, np.tile(beside[:, None], (1, features.shape[1])))


def test_tree_of_a_single_leaf_gives_its_value() -> None:
    features = matrix(seed=1, rows=20, missing_share=0.0)

    assert_same_bits(booster(features, {"min_data_in_leaf": 1000}), features)


def test_early_stopped_model_sums_up_to_its_best_iteration() -> None:
    features = matrix(seed=2, rows=400, missing_share=0.0)
    model = booster(features, {"num_leaves": 7})
    model.best_iteration = 5

    assert len(flatten(model).forest.roots) == 5
    assert_same_bits(model, features)


def test_every_number_of_rows_gives_the_same_bits() -> None:
    features = matrix(seed=4, rows=200, missing_share=0.2)
    trees = flatten(booster(features, {"num_leaves": 31}))

    together = trees.predict_raw(features)

    one_by_one = np.concatenate([trees.predict_raw(row[None, :]) for row in features])
    np.testing.assert_array_equal(together, one_by_one)


def test_saved_trees_are_loaded_as_they_were(tmp_path: Path) -> None:
    features = matrix(seed=5, rows=200, missing_share=0.2)
    model = booster(features, {})
    flatten(model).save(tmp_path, "spend")

    loaded = FlatTrees.load(tmp_path, "spend")

    np.testing.assert_array_equal(loaded.predict_raw(features), model.predict(features, raw_score=True))
    reopened = lightgbm.Booster(model_file=tmp_path / "spend.txt")
    np.testing.assert_array_equal(loaded.predict_raw(features), reopened.predict(features, raw_score=True))


def test_wrong_number_of_columns_is_refused() -> None:
    features = matrix(seed=6, rows=50, missing_share=0.0)
    trees = flatten(booster(features, {}))

    with pytest.raises(ValueError, match=r"features: got shape \(50, 4\), expected \(rows, 5\)"):
        trees.predict_raw(features[:, :4])


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"objective": "multiclass", "num_class": 3}, "num_tree_per_iteration"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "average_output"),
        ({"linear_tree": True}, "is_linear"),
    ],
)
def test_model_of_another_kind_is_refused(parameters: Mapping[str, Any], field: str) -> None:
    generator = np.random.default_rng(7)
    features, classes = generator.normal(size=(200, 2)), generator.integers(0, 3, 200)
    model = lightgbm.train({**QUIET, **parameters}, lightgbm.Dataset(features, classes), 2)

    with pytest.raises(ValueError, match=field):
        flatten(model)
