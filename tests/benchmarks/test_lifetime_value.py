"""What the benchmark says of the distribution of lifetime value."""

import numpy as np
import pytest

from benchmarks.cases import Case
from benchmarks.lifetime_value import coverage_noise, distribution_bounds
from features.vector import FEATURES
from tests.training.models.made_up import snapshot
from training.models.lifetime_value import LifetimeValue

CUSTOMERS = 200


def answered(day: int, covered: int) -> tuple[Case, LifetimeValue]:
    """All are sure buyers; so many of them spend what is within the interval, the others more."""
    spend = np.where(np.arange(CUSTOMERS) < covered, 5.0, 20.0)
    orders = np.ones(CUSTOMERS, dtype=np.int64)
    test = snapshot(day, range(CUSTOMERS), np.zeros((CUSTOMERS, len(FEATURES))), orders, spend)
    value = LifetimeValue(*(np.full(CUSTOMERS, level) for level in (6.0, 5.0, 1.0, 10.0, 0.95)))
    return Case("made up", str(day), [], test), value


def test_customers_of_several_cutoffs_are_one_evidence() -> None:
    found = {
        (bound.metric, bound.cutoff): bound
        for bound in distribution_bounds("made up", {"0": answered(0, 180), "28": answered(28, 140)})
    }

    assert [found["coverage_of_sure_buyers", label].ours for label in ("0", "28", "pooled")] == pytest.approx(
        [0.9, 0.7, 0.8]
    )
    assert found["share_above_high", "pooled"].ours == pytest.approx(0.2)
    assert found["share_below_low", "pooled"].ours == pytest.approx(0.0)
    assert f"{CUSTOMERS} customers" in found["coverage_of_sure_buyers", "pooled"].note
    assert f"{coverage_noise(CUSTOMERS):.3f}" in found["coverage_of_sure_buyers", "pooled"].note


def test_a_single_cutoff_is_not_pooled() -> None:
    found = list(distribution_bounds("made up", {"0": answered(0, 160)}))

    assert {bound.cutoff for bound in found} == {"0"}
    assert all(bound.holds for bound in found if bound.metric == "coverage_of_sure_buyers")
