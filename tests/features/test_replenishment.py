import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.product_lists import ProductLists, least_of_each
from features.replenishment import FEWEST_LINES, repurchase_interval_days
from features.statistics import PRODUCT_HALF_LIFE_DAYS


@given(st.integers(FEWEST_LINES, 300), st.floats(0.01, 1_000))
def test_even_intervals_are_read_from_their_decayed_count(lines: int, days: float) -> None:
    decayed = (2.0 ** (-days * np.arange(lines) / PRODUCT_HALF_LIFE_DAYS)).sum()

    [found] = repurchase_interval_days(np.array([lines]), np.array([decayed]))

    assert found == pytest.approx(days, rel=1e-6, abs=1e-6)


def test_purchases_at_one_time_have_no_interval_and_two_tell_none() -> None:
    same, few = repurchase_interval_days(np.array([3, 2]), np.array([3.0, 1.5]))

    assert same == 0.0
    assert np.isnan(few)


def test_purchases_that_left_no_trace_of_each_other_are_far_apart() -> None:
    assert repurchase_interval_days(np.array([3]), np.array([1.0])) > 3_000


def test_lists_hold_the_least_of_each_customer() -> None:
    offsets, value = np.array([0, 3, 3, 5]), np.array([3.0, 1.0, 2.0, 5.0, 4.0])

    places, ends = least_of_each(offsets, value, 2)

    lists = ProductLists(ends, places.astype(np.int32), value[places], "abcde")
    assert lists.columns() == [(["b", "c"], [1.0, 2.0]), ([], []), (["e", "d"], [4.0, 5.0])]
    assert lists.pairs()[0] == [("b", 1.0), ("c", 2.0)]
