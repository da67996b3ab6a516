import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from training.models.ranking import FIRST_TREES, LEAST_LEFT, most_left, sum_of_the_best, write_best
from training.models.tree_bits import ROWS_AT_ONCE, room_for_rows, write_columns
from training.models.trees import FlatTrees, flatten

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


def summed(
    trees: FlatTrees, rows: NDArray[np.float64], limit: int, first: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows that are left, and their sums."""
    assert trees.bits is not None
    room = room_for_rows(len(rows))
    columns = np.full((FEATURES, room), np.nan)
    columns[:, : len(rows)] = rows.T
    compared = np.zeros((len(trees.bits.sign), room))
    write_columns(columns, len(rows), trees.bits, compared)
    left, sums = np.empty(limit, dtype=np.int64), np.empty(room)
    count = sum_of_the_best(compared, first, len(rows), trees.bits, np.empty(room, np.uint32), sums, left)
    return left[:count], sums[:count]


@pytest.mark.parametrize("count", [1, ROWS_AT_ONCE, LEAST_LEFT, LEAST_LEFT + 1, 100])
def test_what_is_left_has_the_sum_of_all_trees(trees: FlatTrees, count: int) -> None:
    rows = np.random.default_rng(count).normal(size=(count, FEATURES))

    left, sums = summed(trees, rows, LEAST_LEFT)

    assert len(left) == min(count, LEAST_LEFT)
    assert sums.tolist() == trees.predict_raw(rows[left]).tolist()


@pytest.mark.parametrize("first", [0, 40, 90])
def test_those_go_on_who_are_best_by_the_first_trees(booster: lightgbm.Booster, trees: FlatTrees, first: int) -> None:
    rows = np.random.default_rng(1).normal(size=(100, FEATURES))

    left, sums = summed(trees, rows, LEAST_LEFT, first)

    early = booster.predict(rows[first:], raw_score=True, num_iteration=FIRST_TREES)
    assert left.tolist() == (first + np.sort(np.argsort(-early, kind="stable")[:LEAST_LEFT])).tolist()
    assert sums.tolist() == trees.predict_raw(rows[left]).tolist()


def test_longer_lists_are_chosen_from_more(trees: FlatTrees) -> None:
    rows = np.random.default_rng(1).normal(size=(100, FEATURES))

    assert [len(summed(trees, rows, most_left(limit))[0]) for limit in (10, 30, 1_000)] == [LEAST_LEFT, 60, 100]


def test_the_best_come_first_and_of_equal_ones_the_first() -> None:
    scores = np.array([9.0, 1.0, 3.0, 2.0, 3.0, 5.0])
    into = np.empty(3, dtype=np.int64)

    assert write_best(scores, 1, len(scores), into) == 3
    assert into.tolist() == [5, 2, 4]
    assert write_best(scores, 4, len(scores), into) == 2
    assert into[:2].tolist() == [5, 4]
    assert write_best(scores, 0, len(scores), np.empty(0, dtype=np.int64)) == 0
