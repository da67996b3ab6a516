import lightgbm
import numpy as np
import pytest

from training.models.ranking import FIRST_TREES, LEAST_LEFT, sum_of_the_best
from training.models.trees import LANES, FlatTrees, flatten, write_columns

FEATURES = 3


@pytest.fixture(scope="module")
def booster() -> lightgbm.Booster:
    generator = np.random.default_rng(2)
    features = generator.normal(size=(400, FEATURES))
    data = lightgbm.Dataset(features, features.sum(axis=1) + generator.normal(size=400))
    return lightgbm.train({"verbosity": -1, "num_threads": 1, "deterministic": True}, data, 3 * FIRST_TREES)


@pytest.fixture(scope="module")
def trees(booster: lightgbm.Booster) -> FlatTrees:
    return flatten(booster)


def summed(trees: FlatTrees, rows: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are left, and their sums."""
    compared = np.zeros((len(rows) + LANES, len(trees.forest.column_form)))
    for row, into in zip(rows, compared, strict=False):
        write_columns(row, trees.forest, into)
    sums = np.empty(len(compared))
    left = sum_of_the_best(compared, len(rows), limit, trees.forest, np.empty(LANES, np.uint32), sums)
    return left, sums[: len(left)]


@pytest.mark.parametrize("count", [1, LANES, LEAST_LEFT, LEAST_LEFT + 1, 100])
def test_what_is_left_has_the_sum_of_all_trees(trees: FlatTrees, count: int) -> None:
    rows = np.random.default_rng(count).normal(size=(count, FEATURES))

    left, sums = summed(trees, rows, limit=10)

    assert len(left) == min(count, LEAST_LEFT)
    assert sums.tolist() == trees.predict_raw(rows[left]).tolist()


def test_those_go_on_who_are_best_by_the_first_trees(booster: lightgbm.Booster, trees: FlatTrees) -> None:
    rows = np.random.default_rng(1).normal(size=(100, FEATURES))

    left, _ = summed(trees, rows, limit=10)

    early = booster.predict(rows, raw_score=True, num_iteration=FIRST_TREES)
    assert left.tolist() == np.sort(np.argsort(-early, kind="stable")[:LEAST_LEFT]).tolist()


def test_longer_lists_are_chosen_from_more(trees: FlatTrees) -> None:
    rows = np.random.default_rng(1).normal(size=(100, FEATURES))

    assert len(summed(trees, rows, limit=30)[0]) == 60
    assert len(summed(trees, rows, limit=1_000)[0]) == 100
