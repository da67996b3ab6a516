from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from features.history import Snapshot
from training.models.exploration import take_best
from training.models.favourite_product_training import Example, asked_of, example_of, folds_of
from training.models.learning_to_rank import RankingRows, thinned
from training.models.next_purchases import (
    PRIOR,
    RECENCY_PER_ORDER,
    SCORES,
    SHARE_ALL,
    SHARE_RECENT,
    add_transitions,
    learn_next_purchases,
    write_transition_scores,
)

SnapshotOf = Callable[..., Snapshot]
CODES = {"milk": 0, "tea": 1, "rye": 2}


@pytest.fixture
def example(snapshot_of: SnapshotOf) -> Example:
    """Two customers had milk, one of them tea before it; both then buy rye, one of them milk again."""
    orders = {
        "a": [(1.0, ["tea"]), (5.0, ["milk"]), (11.0, ["rye"])],
        "b": [(5.0, ["milk"]), (12.0, ["milk", "rye"])],
        "silent": [(5.0, ["tea"])],
    }
    return example_of(snapshot_of(orders, 10.0), CODES)


def test_shares_are_of_the_customers_who_bought_something(example: Example) -> None:
    found = learn_next_purchases([asked_of(example)], 3)

    assert np.exp(found.bought[:3]) == pytest.approx([1.5 / 3, 0.5 / 3, 2.5 / 3])
    assert np.exp(found.explored[:3]) == pytest.approx([0.5 / 3, 0.5 / 3, 2.5 / 3])
    assert found.returned[0] == pytest.approx((1 + PRIOR / 3) / (2 + PRIOR))  # one in three purchases was repeated
    assert found.popular[0] == CODES["rye"]


def test_a_transition_is_the_share_of_those_who_had_bought(example: Example) -> None:
    found = learn_next_purchases([asked_of(example)], 3)
    of = {
        source: dict(zip(found.code[slice(*edge)].tolist(), found.share[slice(*edge)].tolist(), strict=True))
        for source, edge in enumerate(zip(found.offsets[:-1], found.offsets[1:], strict=True))
    }

    assert of[CODES["milk"]] == pytest.approx({CODES["rye"]: 2 / (2 + PRIOR), CODES["milk"]: 1 / (2 + PRIOR)})
    assert of[CODES["tea"]] == pytest.approx({CODES["rye"]: RECENCY_PER_ORDER / (RECENCY_PER_ORDER + PRIOR)})
    assert of[CODES["rye"]] == {}


def test_what_was_bought_lately_weighs_more(example: Example) -> None:
    found = learn_next_purchases([asked_of(example)], 3)
    sums, touched, rye = np.zeros((4, SCORES)), np.empty(5, dtype=np.int32), np.empty(SCORES)

    count, scales = add_transitions(0, np.arange(2), example.histories, found, sums, touched)
    write_transition_scores(sums[CODES["rye"]], scales, 1.0 / found.target[CODES["rye"]], rye)

    milk, tea = 2 / (2 + PRIOR), RECENCY_PER_ORDER / (RECENCY_PER_ORDER + PRIOR)
    assert rye[SHARE_ALL] == pytest.approx((milk + tea) / 2)
    assert rye[SHARE_RECENT] == pytest.approx((milk + RECENCY_PER_ORDER * tea) / (1 + RECENCY_PER_ORDER))
    assert set(touched[:count].tolist()) == {CODES["milk"], CODES["rye"]}


def test_nobodys_answer_is_part_of_their_own_question(past: list[Snapshot]) -> None:
    codes = {product: code for code, product in enumerate(past[0].profiles.products.vocabulary)}
    customer = 5
    changed = [["p1", "p2"] if row == customer else basket for row, basket in enumerate(past[0].next_basket)]
    both = [example_of(one, codes) for one in (past[0], replace(past[0], next_basket=changed))]

    for (among, honest), (_, other) in zip(*(folds_of(one, 3) for one in both), strict=True):
        one, two = learn_next_purchases(honest, len(codes)), learn_next_purchases(other, len(codes))
        is_same = all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        assert is_same == (customer in among)


def test_the_best_are_taken_once_and_in_order() -> None:
    is_taken, into = np.array([False, True, False, False, False]), np.empty(2, dtype=np.int32)
    codes = np.arange(5, dtype=np.int32)

    count = take_best(codes, np.array([0.1, 9.0, 0.3, 0.0, 0.2]), is_taken, into)

    assert into[:count].tolist() == [2, 4]
    assert is_taken.tolist() == [False, True, True, False, True]


def test_thinning_keeps_every_hit_and_leaves_out_who_has_none() -> None:
    generator = np.random.default_rng(2)
    is_hit = generator.random(4_000) < 0.1
    is_hit[:100] = False
    rows = RankingRows(np.arange(4_000.0)[:, None], is_hit, np.full(40, 100))

    found = thinned([rows], generator, most=1_000)

    assert found.is_hit.sum() == is_hit.sum()
    assert len(found.sizes) == 39
    assert found.sizes.sum() == len(found.rows) == pytest.approx(1_000, rel=0.1)
    assert found.rows[found.is_hit, 0].tolist() == np.flatnonzero(is_hit).tolist()
