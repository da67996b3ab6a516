import math

import numpy as np
import pytest
import scipy.stats
import tea_tasting

from experiments.effects import Moments, effect, moments, pooled

PLANNED = 1_000


def sample(rng, units, lift=0.0, correlation=0.7):
    """Value, past value, weight and past weight of units; the past tells of the value."""
    past = rng.gamma(2.0, 10.0, units)
    value = np.maximum(correlation * past + rng.gamma(2.0, 5.0, units) + lift, 0.0)
    return value, past, rng.poisson(3.0, units) + 1.0, rng.poisson(2.0, units) + 1.0


def table_of(control, variant):
    names = ("value", "past", "weight", "past_weight")
    columns = {name: np.concatenate([control[i], variant[i]]) for i, name in enumerate(names)}
    import pandas as pd

    return pd.DataFrame({"variant": np.repeat([0, 1], [len(control[0]), len(variant[0])]), **columns})


def assert_equals_tea_tasting(found, expected):
    pairs = {
        "difference": expected.effect_size,
        "low": expected.effect_size_ci_lower,
        "high": expected.effect_size_ci_upper,
        "relative_difference": expected.rel_effect_size,
        "relative_low": expected.rel_effect_size_ci_lower,
        "relative_high": expected.rel_effect_size_ci_upper,
        "p_value": expected.pvalue,
    }
    for name, value in pairs.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_difference_in_means_equals_scipy_welch():
    rng = np.random.default_rng(1)
    control, variant = rng.normal(10, 2, 300), rng.normal(10.3, 4, 120)

    found = effect(moments(control, np.zeros(300)), moments(variant, np.zeros(120)), PLANNED)

    expected = scipy.stats.ttest_ind(variant, control, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.raw_difference == found.difference == pytest.approx(variant.mean() - control.mean(), rel=1e-12)
    assert found.variance_reduction == 0.0


@pytest.mark.parametrize("is_ratio", [False, True])
@pytest.mark.parametrize("has_past", [False, True])
def test_effect_equals_tea_tasting(is_ratio, has_past):
    rng = np.random.default_rng(2)
    control, variant = sample(rng, 500), sample(rng, 350, lift=1.0)
    metric = tea_tasting.RatioOfMeans(
        "value",
        "weight" if is_ratio else None,
        "past" if has_past else None,
        "past_weight" if is_ratio and has_past else None,
    )

    def columns(value, past, weight, past_weight):
        seen = past if has_past else np.zeros_like(past)
        return (value, seen, weight, past_weight) if is_ratio else (value, seen)

    found = effect(moments(*columns(*control)), moments(*columns(*variant)), PLANNED)

    expected = metric.analyze(table_of(control, variant), 0, 1, "variant")
    assert_equals_tea_tasting(found, expected)


def test_pooled_moments_are_those_of_all_units_together():
    rng = np.random.default_rng(3)
    first, second = sample(rng, 40), sample(rng, 25)

    found = pooled(moments(*first), moments(*second))

    together = moments(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))
    assert found.count == together.count == 65
    assert found.mean == pytest.approx(together.mean, rel=1e-12)
    assert found.covariance == pytest.approx(together.covariance, rel=1e-9)


def test_cuped_takes_away_the_part_that_the_past_explains():
    rng = np.random.default_rng(4)
    units, correlation = 200_000, 0.8

    def half():
        past = rng.normal(size=units)
        return moments(correlation * past + math.sqrt(1 - correlation**2) * rng.normal(size=units), past)

    found = effect(half(), half(), PLANNED)

    assert found.variance_reduction == pytest.approx(correlation**2, abs=0.01)  # 1 - ρ² is what is left


def test_interval_covers_the_true_difference_in_its_share_of_runs():
    rng, runs, truth = np.random.default_rng(5), 1_000, 1.0

    covered = sum(
        found.low <= truth <= found.high
        for found in (
            effect(moments(*sample(rng, 120)[:2]), moments(*sample(rng, 80, lift=truth)[:2]), PLANNED)
            for _ in range(runs)
        )
    )

    assert covered / runs == pytest.approx(0.95, abs=0.025)  # 3.6 standard errors


@pytest.mark.parametrize(("control", "variant"), [([], []), ([1.0], [2.0]), ([0.0] * 9, [0.0] * 7), ([], [1.0, 2.0])])
def test_no_interval_without_units_or_variation(control, variant):
    both = [moments(np.array(values), np.zeros(len(values))) for values in (control, variant)]

    found = effect(both[0], both[1], PLANNED)

    assert found.low is found.high is found.p_value is found.sequential_low is found.relative_low is None


def test_relative_difference_needs_a_control_above_zero():
    rng = np.random.default_rng(6)

    found = effect(moments(np.zeros(9), np.zeros(9)), moments(rng.random(9), np.zeros(9)), PLANNED)

    assert found.relative_difference is None
    assert found.difference > 0
    assert found.low < found.difference < found.high


def test_ratio_of_nothing_is_unknown():
    nothing = moments(np.zeros(5), np.zeros(5), np.zeros(5), np.zeros(5))

    assert isinstance(nothing, Moments)
    assert effect(nothing, nothing, PLANNED).difference is None
