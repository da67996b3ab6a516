import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.ranking_metrics import (
    hour_log_loss,
    mean_difference,
    normalised_discounted_gain,
    personal_hit,
    recall,
    top_hours_hit,
)

LISTS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)
BASKETS = st.sets(st.sampled_from("abcdefgh"), min_size=1)


def test_recall_is_of_the_whole_basket_even_where_it_is_longer_than_the_list() -> None:
    assert recall(["a", "b"], ["a", "c", "d", "e"], k=2) == 0.25


def test_recall_counts_a_product_of_two_lines_once() -> None:
    assert recall(["a"], ["a", "a", "b"], k=10) == 0.5


def test_gain_is_as_worked_by_hand() -> None:
    """Hits at ranks 1 and 3 of a basket of three: (1 + 1/2) / (1 + 1/log2(3) + 1/2)."""
    gain = normalised_discounted_gain(["a", "x", "b"], {"a", "b", "c"}, k=3)

    assert gain == pytest.approx(1.5 / (1.5 + 1 / np.log2(3)))


def test_the_ideal_list_is_no_longer_than_k() -> None:
    assert normalised_discounted_gain(["a", "b"], {"a", "b", "c", "d"}, k=2) == 1.0


def test_only_the_first_k_count() -> None:
    assert personal_hit(["x", "a"], {"a"}, k=1) == 0.0
    assert recall(["x", "a"], {"a"}, k=1) == 0.0
    assert normalised_discounted_gain(["x", "a"], {"a"}, k=1) == 0.0


@pytest.mark.parametrize("metric", [recall, normalised_discounted_gain, personal_hit])
def test_an_empty_basket_says_nothing(metric: object) -> None:
    assert np.isnan(metric(["a"], [], 10))


@given(LISTS, BASKETS)
def test_metrics_lie_between_0_and_1(ranked: list[str], basket: set[str]) -> None:
    for metric in (recall, normalised_discounted_gain, personal_hit):
        assert 0.0 <= metric(ranked, basket, 5) <= 1.0


@given(BASKETS)
def test_the_basket_itself_is_the_perfect_list(basket: set[str]) -> None:
    assert normalised_discounted_gain(sorted(basket), basket, 8) == pytest.approx(1.0)
    assert recall(sorted(basket), basket, 8) == 1.0


def test_hour_log_loss_is_the_mean_surprise_of_a_customers_hours() -> None:
    probability = np.full((3, 168), 1 / 168)
    probability[0, :2] = 0.5, 0.25

    loss = hour_log_loss(probability, [0, 2, 3, 3], [0, 1, 100])

    assert loss[:2] == pytest.approx([(np.log(2) + np.log(4)) / 2, np.log(168)])
    assert np.isnan(loss[2])


def test_top_hours_are_hit_in_the_share_of_events_within_them() -> None:
    probability = np.tile(np.linspace(1, 2, 168), (2, 1))

    hit = top_hours_hit(probability, [0, 4, 4], [167, 166, 165, 0])

    assert hit[0] == 0.75
    assert np.isnan(hit[1])


def test_a_difference_leaves_out_customers_who_do_not_count() -> None:
    found = mean_difference(np.array([1.0, np.nan, 3.0]), np.array([0.0, 1.0, 2.0]), np.random.default_rng(0))

    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_weights_make_the_mean_one_over_events() -> None:
    ours, baseline = np.array([1.0, 0.0]), np.zeros(2)

    found = mean_difference(ours, baseline, np.random.default_rng(0), weights=np.array([3.0, 1.0]))

    assert found.value == 0.75
    assert found.low <= 0.75 <= found.high


def test_the_interval_of_no_difference_holds_zero() -> None:
    generator = np.random.default_rng(4)
    found = mean_difference(generator.normal(size=500), generator.normal(size=500), generator)

    assert found.low < 0 < found.high


def test_without_customers_there_is_no_difference() -> None:
    assert np.isnan(mean_difference(np.array([np.nan]), np.array([1.0]), np.random.default_rng(0)).value)
