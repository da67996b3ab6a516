from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from benchmarks.basket_files import cases_of_baskets, read_baskets
from benchmarks.favourite_references import Pool, TifuSettings, frequency, least_squares, references, tifu_knn

Baskets = Sequence[tuple[int, int, list[int]]]


def write(folder: Path, history: Baskets, future: Baskets) -> Path:
    for name, baskets in (("history", history), ("future", future)):
        users, numbers, items = zip(*baskets, strict=True)
        table = pyarrow.table({"user_id": users, "basket_no": numbers, "items": items})
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
    return folder


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """One customer with four orders, one with two."""
    history = [(1, 1, [7]), (1, 2, [8]), (1, 3, [7, 9]), (1, 4, [8]), (2, 1, [8]), (2, 2, [9])]
    return write(tmp_path, history, [(1, 1, [7, 8]), (2, 1, [9])])


def test_the_next_basket_is_the_first_after_one_cutoff(two: Path) -> None:
    snapshot = read_baskets(two)

    assert snapshot.profiles.customer_ids == ["1", "2"]
    assert snapshot.next_basket == [["7", "8"], ["9"]]
    assert np.diff(snapshot.profiles.orders.offsets).tolist() == [4, 2]
    assert (snapshot.profiles.orders.first_at < snapshot.as_of).all()


def test_each_customer_is_asked_in_one_fold_and_learned_from_in_the_others(tmp_path: Path) -> None:
    baskets = [(user, 1, [1, 2]) for user in range(10)]

    cases = list(cases_of_baskets(write(tmp_path, baskets, baskets)))

    asked = [case.test.profiles.customer_ids for case in cases]
    assert sorted(customer for some in asked for customer in some) == [str(user) for user in range(10)]
    for case in cases:
        assert not {*case.test.profiles.customer_ids} & {*case.training[0].profiles.customer_ids}
        assert len(case.training[0].profiles) == 8


def test_vectors_of_tifu_are_as_worked_by_hand(two: Path) -> None:
    """Groups of two orders, r_b = 0.5 within and r_g = 0.1 between: orders 1 and 2 weigh 0.1 of 3 and 4."""
    pool = Pool.of(read_baskets(two), None)

    own = tifu_knn(pool, TifuSettings(neighbours=1, within=0.5, between=0.1, own=1.0, group=2)).toarray()

    older, newer = np.array([0.5, 1.0]) / 2 * 0.1 / 2, np.array([0.5, 1.0]) / 2 / 2
    assert pool.products == ["7", "8", "9"]
    assert own[0] == pytest.approx([older[0] + newer[0], older[1] + newer[1], newer[0]])
    assert own[1] == pytest.approx([0.0, 0.5 / 2, 1.0 / 2])


def test_neighbours_bring_what_the_customer_never_bought(two: Path) -> None:
    pool = Pool.of(read_baskets(two), None)

    mixed = tifu_knn(pool, TifuSettings(neighbours=1, within=0.5, between=0.1, own=0.5, group=2)).toarray()

    assert mixed[1, pool.products.index("7")] > 0


def test_of_two_products_as_frequent_the_later_comes_first(two: Path) -> None:
    pool = Pool.of(read_baskets(two), None)

    assert pool.lists(frequency(pool), is_filled=False) == [["8", "7", "9"], ["9", "8"]]
    assert pool.lists(frequency(pool)) == [["8", "7", "9"], ["9", "8", "7"]]


def test_every_reference_answers_everybody(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)

    def baskets(count: int) -> Baskets:
        return [(user, number, generator.choice(30, 4, replace=False).tolist())
                for user in range(40) for number in range(1, count + 1)]  # fmt: skip

    case = next(cases_of_baskets(write(tmp_path, baskets(3), baskets(1))))

    for _, lists in references(case):
        assert len(lists) == len(case.test.profiles)
        assert all(0 < len(ranked) <= 10 and len(ranked) == len(set(ranked)) for ranked in lists)


def test_of_new_products_nobody_is_listed_their_own(two: Path) -> None:
    pool = replace(Pool.of(read_baskets(two), None), is_new_only=True)
    all_new = tifu_knn(pool, TifuSettings(neighbours=1, within=0.5, between=0.1, own=0.5, group=2))

    assert pool.lists(frequency(pool)) == [[], ["7"]]
    assert pool.lists(all_new) == [[], ["7"]]
    assert pool.lists(least_squares(pool)) == [[], ["7"]]
